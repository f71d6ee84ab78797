"""What an alert of another product was about: host by name or address, process by flow or pid, run by all."""

from typing import Any

import pytest

from apps.attribution.models import Attribution
from apps.detection.models import Alert, DetectionRule
from apps.fleet import strangers
from apps.fleet.models import Host, HostAgent
from apps.incidents.models import Incident
from apps.incidents.selectors import story
from apps.telemetry.models import Connection, Process, ToolCall
from tests.gateway.machine import Machine
from tests.gateway.reporting import Sensor
from tests.gateway.samples import ALERTMANAGER, FALCO, FALCO_DROPS, OCSF, SURICATA, WAZUH_4, WAZUH_5
from tests.gateway.working import NOW, SPAN, TRACE, TUNNEL, process, run_start, socket, span, told

pytestmark = pytest.mark.django_db
PARENT = f"00-{TRACE}-{SPAN}-01"
BEAT = {"kind": "heartbeat", "at": NOW, "addresses": ["10.0.0.5", "::1", "2001:db8::5", 5, "x"]}


def host(name: str = "trainer-7", *more: dict[str, Any], beat: dict[str, Any] | None = BEAT) -> Machine:
    """A host on which a tool call of a run has opened a connection."""
    machine = Machine.enrolled(name)
    tunnel = process(200, TUNNEL, cgroup="/sentinel/rome/3ad7b26ded6d", traceparent=PARENT)
    told(machine, run_start(), *([beat] if beat else []), span(" ".join(TUNNEL), end=9.0), tunnel, *more)
    return machine


def test_firewall_alert_ends_up_with_the_process_the_run_and_the_tool_call() -> None:
    host("trainer-7", socket())
    (alert,) = Sensor("suricata").tell(SURICATA)
    assert (alert.host.name, alert.process, alert.connection_id) == (
        "trainer-7",
        Process.objects.get(pid=200),
        Connection.objects.get().pk,
    )
    assert alert.run is not None
    assert alert.run.name == "rome"
    found = Attribution.objects.get(alert=alert, superseded_at=None)
    assert (found.tool_call, found.origin) == (ToolCall.objects.get(), "model")
    assert alert.detail["flow"]["dst"] == "198.51.100.7"
    incident = Incident.objects.get(behaviour="Potential Corporate Privacy Violation")
    assert (incident.run, incident.origin) == (alert.run, "model")


def test_firewall_behind_nat_finds_it_by_the_far_end_alone() -> None:
    host("trainer-7", socket())
    (alert,) = Sensor("suricata").tell(SURICATA | {"src_ip": "203.0.113.1", "src_port": 61000})
    assert alert.process == Process.objects.get(pid=200)
    assert alert.host.name == "trainer-7"


@pytest.mark.parametrize(
    ("form", "sample"), [("falco", FALCO), ("ocsf", OCSF), ("wazuh", WAZUH_5)], ids=["falco", "ocsf", "wazuh"]
)
def test_sensor_on_the_host_is_matched_by_pid_where_no_connection_was_seen(form: str, sample: Any) -> None:
    host(beat=None)
    (alert,) = Sensor(form).tell(sample)
    assert alert.process == Process.objects.get(pid=200)
    assert Attribution.objects.get(alert=alert, superseded_at=None).origin == "model"


def test_container_alone_says_the_run() -> None:
    host()
    fields = {"container.id": "3ad7b26ded6d", "proc.cmdline": "ssh"}
    (alert,) = Sensor("falco").tell(FALCO | {"output_fields": fields})
    assert alert.process is None
    assert alert.run is not None
    assert alert.run.name == "rome"


def test_pid_that_another_process_had_by_then_is_not_taken_for_it() -> None:
    host("trainer-7", {"kind": "process.end", "at": NOW - 60, "pid": 200, "start_ticks": 2000}, beat=None)
    late = {"output_fields": {"proc.pid": 200}, "time": "2026-11-18T12:00:00Z"}
    (alert,) = Sensor("falco").tell(FALCO | late)
    assert alert.process is None


def test_host_agents_tell_their_addresses_and_what_is_none_is_left_out() -> None:
    machine = host()
    assert HostAgent.objects.get(pk=machine.agent.pk).addresses == ["10.0.0.5", "::1", "2001:db8::5"]


@pytest.mark.parametrize("sample", [WAZUH_4, WAZUH_4 | {"agent": {"name": "other", "ip": "10.0.0.5"}}])
def test_known_host_is_found_by_name_or_address(sample: Any) -> None:
    machine = host()
    (alert,) = Sensor("wazuh").tell(sample)
    assert alert.host == machine.agent.host


def test_name_with_domain_or_port_is_the_same_host() -> None:
    machine = host()
    labels = ALERTMANAGER["alerts"][0]["labels"] | {"instance": "Trainer-7.example.org:9100"}
    (alert,) = Sensor("alertmanager").tell(
        ALERTMANAGER | {"alerts": [ALERTMANAGER["alerts"][0] | {"labels": labels}]}
    )
    assert alert.host == machine.agent.host


def test_address_of_two_hosts_names_neither() -> None:
    host("trainer-8"), host("trainer-9")
    (alert,) = Sensor("wazuh").tell(WAZUH_4 | {"agent": {"ip": "10.0.0.5"}})
    assert (alert.host.name, alert.host.agents.count()) == ("10.0.0.5", 0)


def test_host_that_nobody_knows_is_made_once_and_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MOST", 3)
    sensor = Sensor("falco")
    alerts = sensor.tell([FALCO | {"hostname": f"stranger-{n % 8}", "output": str(n)} for n in range(16)])
    assert len(alerts) == 16
    assert sorted(Host.objects.values_list("name", flat=True)) == [
        "stranger-0", "stranger-1", "stranger-2", "unknown hosts",
    ]  # fmt: skip


def test_host_known_from_alerts_alone_is_the_same_when_it_enrols() -> None:
    (alert,) = Sensor("falco").tell(FALCO)
    assert Machine.enrolled("trainer-7").agent.host == alert.host


def test_sensor_that_is_blind_raises_an_incident_of_its_own() -> None:
    (alert,) = Sensor("falco").tell(FALCO_DROPS)
    assert Incident.objects.get().behaviour == "sensor is blind"
    assert alert.rule.family == "coverage"


def test_rules_of_a_source_are_known_by_its_format_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.detection.services.MOST_HOST_RULES", 2)
    told(Machine.enrolled())
    Sensor("falco").tell([FALCO | {"rule": f"Rule {n}"} for n in range(5)])
    slugs = DetectionRule.objects.filter(source="falco").values_list("slug", flat=True)
    assert sorted(slugs) == ["falco.rule-0", "falco.rule-1"]
    assert Alert.objects.filter(rule__slug="host-other").count() == 3


def test_time_that_cannot_be_read_is_said() -> None:
    (alert,) = Sensor("suricata").tell(SURICATA | {"timestamp": "soon"})
    assert alert.occurred_at == alert.received_at
    assert alert.detail["time"].startswith("not readable")


def test_evidence_names_source_rule_and_hash() -> None:
    sensor = Sensor("suricata", "edge firewall")
    sensor.tell(SURICATA)
    (kept,) = story.kept(list(Alert.objects.all()))
    report = sensor.source.reports.get()
    assert (kept.source, kept.digest, kept.report) == ("edge firewall", report.digest, report.pk)
    assert kept.title == "suricata rule 1:9000001, as it was sent"


def test_hostile_text_is_stored_and_bounded() -> None:
    bad = "\x00\ud800‮<script>" * 500
    (alert,) = Sensor("falco").tell(FALCO | {"rule": bad, "hostname": bad, "output": bad})
    assert len(alert.host.name) <= 120
    assert len(alert.detail["output"]) <= 2_000


def test_flow_without_a_protocol_is_looked_up_all_the_same() -> None:
    host("trainer-7", socket())
    bare = OCSF["evidences"][0] | {"process": {}, "connection_info": {}}
    (alert,) = Sensor("ocsf").tell(OCSF | {"evidences": [bare]})
    assert alert.process == Process.objects.get(pid=200)
