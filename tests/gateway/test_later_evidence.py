"""What becomes known later revises what was concluded; the former stays, and the history says why."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from apps.attribution.models import Attribution
from apps.fleet.models import TrainingRun
from apps.incidents.models import Incident, StatusChange
from apps.telemetry.models import ToolCall
from tests.console.cast import browser
from tests.gateway.machine import Machine
from tests.gateway.reporting import Sensor
from tests.gateway.working import NOW, SPAN, TRACE, TUNNEL, process, run_start, socket, span, told

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


def firewall(**changed: object) -> dict[str, object]:
    """As Suricata writes it: two ends and a time, and no process."""
    ends = {"src_ip": "10.0.0.5", "src_port": 40_000, "dest_ip": "198.51.100.7", "dest_port": 22}
    alert = {"signature_id": 9_000_001, "signature": "Outbound connection", "severity": 1}
    at = "2026-11-18T11:06:42.000000+0000"
    return (
        {"timestamp": at, "event_type": "alert", "flow_id": 1, "proto": "TCP", "alert": alert}
        | ends
        | changed
    )


def test_connection_that_a_host_reports_after_the_firewall_leads_to_its_tool_call(machine: Machine) -> None:
    """At first it is an incident of a machine that nobody watches; then of the run, which can be stopped."""
    at = datetime.fromtimestamp(NOW + 2, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
    told(machine, run_start())
    Sensor("suricata").tell(firewall(timestamp=at))
    alone = Attribution.objects.get()
    assert (alone.origin, alone.process_id) == ("unknown", None)
    assert any("No process is known that held the connection" in said for said in alone.missing)
    assert Incident.objects.get().run is None
    plain = ("python3", "fetch.py")
    code = process(202, plain, at=NOW + 1, cgroup="/sentinel/rome/tool", traceparent=PARENT)
    told(machine, span("python3 fetch.py"), code, socket(202))
    found = Attribution.objects.get(superseded_at=None, alert=alone.alert_id)
    assert found.origin == "model"
    assert found.process is not None
    assert (found.process.pid, found.tool_call) == (202, ToolCall.objects.get())
    assert {"flow", "traceparent", "command"} <= {part["matcher"] for part in found.basis}
    incident = Incident.objects.get()
    assert (incident.run, incident.origin) == (TrainingRun.objects.get(), "model")
    assert "connections" in StatusChange.objects.get(field="run").note
    page = browser("mei").get(f"/incidents/{incident.pk}/").content.decode()
    assert "Process 202" in page
