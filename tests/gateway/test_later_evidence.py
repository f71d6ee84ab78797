"""What becomes known later revises what was concluded; the former stays, and the history says why."""

import pytest
from django.utils import timezone

from apps.attribution.models import Attribution
from apps.incidents.models import Incident, StatusChange
from tests.gateway.machine import Machine
from tests.gateway.working import NOW, SPAN, TRACE, TUNNEL, process, run_start, span, told

pytestmark = pytest.mark.django_db
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = "b7ad6b7169203331"


@pytest.fixture
def machine(db: None) -> Machine:
    return Machine.enrolled()


def current() -> Attribution:
    """Of the tunnel's own alert; the text of a tool call raises one as well."""
    return Attribution.objects.get(
        superseded_at=None, alert__rule__slug="ssh-remote-forward", alert__process__pid=202
    )


def test_second_call_that_was_open_at_that_time_weakens_nearness(machine: Machine) -> None:
    tunnel = process(202, TUNNEL, at=NOW + 1.2, cgroup="/sentinel/rome/tool")
    told(machine, run_start(), span(start=0.5, end=9), tunnel)
    before = current()
    assert before.origin == "model"
    told(machine, span(start=0.6, end=9, spanId=OTHER))
    before.refresh_from_db()
    assert before.superseded_at is not None
    assert current().strength < before.strength
    incident = Incident.objects.get()
    assert incident.confidence == current().strength
    change = StatusChange.objects.filter(field="join").get()
    assert change.note == "More became known: tool calls."
    assert change.before == f"Model {before.strength} %"


def test_process_from_a_spool_shows_who_was_signed_in(machine: Machine) -> None:
    """The tunnel's ancestors come in a batch that was kept for minutes: then it is known who started it."""
    at = timezone.now().timestamp() - 120
    told(
        machine,
        run_start(at=at - 9),
        span(start=at - NOW, end=None),
        process(202, TUNNEL, ppid=190, at=at + 1, executed_at=at + 1, cgroup="/user"),
    )
    assert current().origin == "unknown"
    told(machine, process(190, ("sshd: eve@pts/1",), at=at - 5, exe="/usr/sbin/sshd"))
    assert (current().origin, current().strength) == ("operator", 60)
    assert Incident.objects.get().origin == "operator"
    assert "processes" in StatusChange.objects.get(field="origin").note


def test_call_whose_arguments_come_with_its_end_is_weighed_again(machine: Machine) -> None:
    tunnel = process(202, TUNNEL, at=NOW + 1.2, cgroup="/sentinel/rome/tool")
    told(machine, run_start(), span(start=0.5), tunnel)
    weak = current().strength
    told(machine, span(" ".join(TUNNEL), start=0.5, end=9))
    assert current().strength > weak
    assert "command" in {part["matcher"] for part in current().basis}


def test_same_evidence_again_revises_nothing(machine: Machine) -> None:
    tunnel = process(202, TUNNEL, at=NOW + 1.2, cgroup="/sentinel/rome/tool")
    told(machine, run_start(), span(start=0.5, end=9), tunnel)
    told(machine, span(start=0.5, end=9))
    assert Attribution.objects.count() == 1
