"""From records to an attributed incident: the whole way of one batch, and of one story in many."""

import pytest

from apps.attribution.models import Attribution
from apps.audit.models import AuditEntry
from apps.detection.models import Alert
from apps.feed.models import FeedEntry
from apps.fleet.models import Episode, TrainingRun
from apps.incidents.models import Incident, StatusChange
from apps.telemetry.models import Process, ToolCall
from tests.gateway.machine import Machine
from tests.gateway.working import NOW, SPAN, TRACE, TUNNEL, process, put, run_start, span, told

pytestmark = pytest.mark.django_db
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def machine(db: None) -> Machine:
    return Machine.enrolled()


def story() -> list[dict[str, object]]:
    return [
        run_start(drill=True),
        span(" ".join(TUNNEL)),
        process(201, ("bash", "-c", "x"), ppid=100, cgroup="/sentinel/rome/tool", traceparent=PARENT),
        process(202, TUNNEL, ppid=201, at=NOW + 1.2, cgroup="/sentinel/rome/tool"),
    ]


def check(machine: Machine) -> None:
    """An incident of this run, by the model, with the alert matched to the tool call."""
    incident = Incident.objects.get(behaviour="reverse tunnel")
    run = TrainingRun.objects.get()
    assert incident.title == "Reverse tunnel in run rome"
    assert (incident.run_id, incident.drill, incident.level, incident.status) == (
        run.pk,
        True,
        "critical",
        "new",
    )
    assert incident.origin == "model"
    assert incident.confidence > 90
    alert = Alert.objects.get(process__pid=202, rule__slug="ssh-remote-forward")
    made = Attribution.objects.get(alert=alert, superseded_at=None)
    assert made.tool_call == ToolCall.objects.get()
    assert {part["matcher"] for part in made.basis} >= {"ancestry", "command", "membership"}
    assert made.delta_ms == pytest.approx(700, abs=1)
    assert [host.host_id for host in incident.hosts.all()] == [machine.agent.host_id]
    assert Episode.objects.get().native_id == "episode-7"


def test_one_batch_holds_it_all(machine: Machine) -> None:
    told(machine, *story())
    check(machine)
    assert AuditEntry.objects.filter(action="incident.opened", drill=True).exists()
    assert StatusChange.objects.filter(field="opened").exists()
    opened = FeedEntry.objects.get(kind="incident.opened", topics__contains=["queue"])
    incident, run = Incident.objects.get(), TrainingRun.objects.get()
    assert set(opened.topics) == {"queue", f"incident:{incident.pk}", f"run:{run.pk}"}
    assert FeedEntry.objects.filter(kind="toolcall.changed", topics=[f"run:{run.pk}"]).exists()


def test_one_record_a_batch_comes_to_the_same(machine: Machine) -> None:
    for record in story():
        told(machine, record)
    check(machine)


def test_tool_call_that_is_heard_of_last_is_matched_after_all(machine: Machine) -> None:
    start, call, shell, tunnel = story()
    told(machine, start, shell, tunnel)
    before = Attribution.objects.get(superseded_at=None)
    assert before.tool_call == ToolCall.every.get()  # as its shell names it, and no more is known of it
    assert before.strength < 80
    assert any("own word" in part["says"] for part in before.basis)
    assert any("does not contain what" in sentence for sentence in before.missing)
    told(machine, call)
    check(machine)
    before.refresh_from_db()
    assert before.superseded_at is not None
    assert FeedEntry.objects.filter(kind="incident.grew", detail__changed__contains=["origin"]).exists()


def test_run_that_is_heard_of_late_still_owns_its_processes(machine: Machine) -> None:
    start, *rest = story()
    told(machine, *rest)
    told(machine, start)
    assert {row.run_id for row in Process.objects.all()} == {TrainingRun.objects.get().pk}


def test_growing_incident_is_not_opened_again(machine: Machine) -> None:
    told(machine, *story())
    told(machine, process(303, TUNNEL, ppid=100, cgroup="/sentinel/rome/tool"))
    incident = Incident.objects.get()
    assert incident.alert_count == Alert.objects.count() == 3
    assert FeedEntry.objects.filter(kind="incident.grew").count() == 1


def test_agent_that_lists_its_processes_again_raises_nothing_again(machine: Machine) -> None:
    told(machine, *story())
    told(machine, *story()[2:])
    assert Alert.objects.count() == 2
    assert Process.objects.count() == 2


def test_program_that_a_process_turns_into_is_looked_at(machine: Machine) -> None:
    told(machine, run_start(), process(202, ("bash", "-c", "exec ssh"), cgroup="/sentinel/rome"))
    assert not Alert.objects.filter(rule__slug="ssh-remote-forward").exists()
    told(machine, process(202, TUNNEL, cgroup="/sentinel/rome"))
    assert Alert.objects.filter(rule__slug="ssh-remote-forward").count() == 1
    assert Process.objects.get().argv == list(TUNNEL)


def test_process_of_a_run_that_has_ended_is_out_of_place(machine: Machine) -> None:
    told(
        machine,
        run_start(),
        {"kind": "run.end", "at": NOW + 10, "run": "rome", "reason": "done", "exit_code": 0},
    )
    told(machine, process(400, ("python", "train.py"), at=NOW + 60, marker="rome-1", cgroup="/elsewhere"))
    alert = Alert.objects.get()
    assert alert.rule.family == "accounting"
    assert alert.run == TrainingRun.objects.get()


def test_batches_of_many_hosts_are_worked_off_together(machine: Machine) -> None:
    machines = [machine, *(Machine.enrolled() for _ in range(3))]
    from apps.gateway import ingest

    for number, one in enumerate(machines):
        put(one, process(500 + number, TUNNEL))
    lots = []
    while done := ingest.work_off():
        lots.append(done)
    assert lots == [2, 1, 1]  # half of the agents that wait at a time: the others are for another worker
    assert Incident.objects.count() == 4  # one a host: none of them is of a run
