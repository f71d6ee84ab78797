"""What belongs together: run or host, behaviour, drills apart; counted, graded, regressed after closing."""

import pytest

from apps.accounts.models import User
from apps.detection.models import Alert
from apps.fleet.models import TrainingRun
from apps.incidents.models import Incident, IncidentSpan, StatusChange
from apps.incidents.services import close, grade, reopen
from tests.gateway.machine import Machine
from tests.gateway.working import NOW, alert, at, run_start, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine(db: None) -> Machine:
    return Machine.enrolled()


@pytest.fixture
def ana(db: None) -> User:
    return User.objects.create(username="ana", role="responder")


def belongs(row: Alert) -> int:
    """The one incident that holds `row`, by its spans."""
    spans = IncidentSpan.objects.filter(key=bytes(row.correlation_key), first_alert_id__lte=row.pk)
    held = [span for span in spans if span.last_alert_id is None or span.last_alert_id >= row.pk]
    assert len(held) == 1
    return held[0].incident_id


def test_alerts_of_one_behaviour_of_one_host_are_one_incident(machine: Machine) -> None:
    told(machine, alert(at=NOW + 9), alert(at=NOW + 4))
    told(machine, alert(at=NOW + 6))
    incident = Incident.objects.get()
    assert incident.alert_count == 3
    assert (incident.first_alert_at, incident.last_alert_at) == (at(4), at(9))
    assert incident.title == f"Outbound connection blocked on host {machine.agent.host.name}"
    assert {belongs(row) for row in Alert.objects.all()} == {incident.pk}


def test_another_behaviour_is_another_incident(machine: Machine) -> None:
    told(machine, alert(), alert("scan", title="Port scan"))
    assert Incident.objects.count() == 2


def test_another_host_is_another_incident_unless_both_carry_the_run(machine: Machine) -> None:
    other = Machine.enrolled()
    for one in (machine, other):
        told(one, run_start(), alert(), alert(run="rome"))
    assert Incident.objects.count() == 3
    joint = Incident.objects.get(run=TrainingRun.objects.get())
    assert joint.alert_count == 2
    assert {row.host_id for row in joint.hosts.all()} == {machine.agent.host_id, other.agent.host_id}


def test_drill_never_mixes_with_the_real_thing(machine: Machine) -> None:
    told(machine, run_start("drill", drill=True), run_start("real", root_pid=9))
    told(machine, alert(run="drill"), alert(run="real"))
    assert {(row.drill, row.alert_count) for row in Incident.objects.all()} == {(True, 1), (False, 1)}
    assert Alert.objects.filter(drill=True).count() == 1


def test_level_is_the_worst_and_its_rise_is_history(machine: Machine) -> None:
    told(machine, alert(level="low"))
    told(machine, alert(level="critical"))
    told(machine, alert(level="info"))
    incident = Incident.objects.get()
    assert (incident.level, incident.rank) == ("critical", 5)
    change = StatusChange.objects.get(field="level")
    assert (change.before, change.after, change.by) == ("low", "critical", "Sentinel")


def test_level_that_a_person_gave_stays(machine: Machine, ana: User) -> None:
    told(machine, alert(level="high"))
    grade(Incident.objects.get(), level="low", by=ana)
    told(machine, alert(level="critical"))
    assert Incident.objects.get().level == "low"


def test_edit_of_a_person_is_not_refused_because_alerts_came_in(machine: Machine, ana: User) -> None:
    told(machine, alert())
    seen = Incident.objects.get()
    told(machine, alert())
    assert grade(seen, level="low", by=ana, version=seen.version).level == "low"


def test_alert_after_closing_opens_a_regressed_incident(machine: Machine, ana: User) -> None:
    told(machine, alert())
    first = Incident.objects.get()
    close(first, verdict="model", by=ana)
    told(machine, alert())
    second = Incident.objects.exclude(pk=first.pk).get()
    assert (second.follows_id, second.status, second.alert_count) == (first.pk, "new", 1)
    early, late = Alert.objects.order_by("pk")
    assert (belongs(early), belongs(late)) == (first.pk, second.pk)


def test_incident_that_is_opened_again_collects_again(machine: Machine, ana: User) -> None:
    told(machine, alert())
    incident = Incident.objects.get()
    close(incident, verdict="model", by=ana)
    reopen(incident, by=ana)
    told(machine, alert())
    assert Incident.objects.get().alert_count == 2
    assert {belongs(row) for row in Alert.objects.all()} == {incident.pk}


def test_closing_one_behaviour_leaves_the_others_open(machine: Machine, ana: User) -> None:
    told(machine, alert(), alert("scan", title="Port scan"))
    close(Incident.objects.get(behaviour="Port scan"), verdict="model", by=ana)
    told(machine, alert())
    assert Incident.objects.count() == 2
    assert Incident.objects.get(behaviour="Outbound connection blocked").alert_count == 2
