"""A parent's number says who it was only while that parent lived."""

import pytest

from apps.attribution.models import Attribution
from apps.telemetry.models import Process
from tests.gateway.machine import Machine
from tests.gateway.working import at, process, run_start, told

pytestmark = pytest.mark.django_db(transaction=True)
TUNNEL = ["ssh", "-N", "-R", "9001:127.0.0.1:8000", "eve@198.51.100.7"]


@pytest.fixture
def machine() -> Machine:
    """Process 300 of the run started half an hour ago."""
    made = Machine.enrolled()
    told(made, run_start(), process(300, ["bash"], ppid=100, cgroup="/sentinel/rome/x", at=ago(1_800)))
    return made


def ago(seconds: float) -> float:
    return at(-seconds).timestamp()


def run_of(pid: int) -> str | None:
    run = Process.objects.select_related("run").get(pid=pid).run
    return run.name if run else None


def test_who_starts_long_after_its_end_is_not_its_child(machine: Machine) -> None:
    start = Process.objects.get(pid=300).start_ticks
    told(machine, {"kind": "process.end", "at": ago(1_500), "pid": 300, "start_ticks": start, "exit_code": 0})
    told(machine, process(301, TUNNEL, ppid=300, cgroup="/else", marker="tokyo-4"))
    assert run_of(301) is None
    made = Attribution.objects.get(alert__process__pid=301)
    assert made.tool_call is None
    assert all("ancestor" not in str(part["says"]) for part in made.basis)


def test_who_starts_while_it_lives_is_its_child_whatever_marker_it_shows(machine: Machine) -> None:
    told(machine, process(301, TUNNEL, ppid=300, cgroup="/else", marker="tokyo-4"))
    assert run_of(301) == "rome"
