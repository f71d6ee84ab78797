"""What a process goes on doing on the network is one alert; somebody else, or somewhere else, is another."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.detection.models import Alert
from apps.gateway.stages.repeats import AFTER
from apps.incidents import services as incidents
from apps.incidents.choices import Verdict
from apps.incidents.models import Incident
from apps.telemetry.models import Batch, Connection
from tests.gateway.machine import Machine
from tests.gateway.working import process, put, run_start, socket, told

pytestmark = pytest.mark.django_db(transaction=True)
RELAY = "203.0.113.47:443"


def tunnel(pid: int = 200) -> list[dict[str, Any]]:
    """An ssh client of the run, connected to its relay; its arguments show no forward."""
    return [
        process(pid, ("ssh", "-p", "443", "relay"), marker="rome-1"),
        socket(pid, RELAY, local=f"10.0.0.5:{50_000 + pid}"),
    ]


def used(pid: int = 200, number: int = 0, remote: str = "127.0.0.1:22", **changed: Any) -> dict[str, Any]:
    """Somebody comes in through it."""
    return socket(pid, remote, local=f"127.0.0.1:{40_000 + number}", **changed)


def in_use() -> list[Alert]:
    return list(Alert.objects.filter(rule__slug="ssh-second-connection").order_by("pk"))


@pytest.fixture
def running(machine: Machine) -> Machine:
    told(machine, run_start(), *tunnel())
    return machine


def test_a_hundred_connections_in_a_hundred_batches_are_one_alert(running: Machine) -> None:
    for number in range(100):
        told(running, used(number=number))
    (alert,) = in_use()
    assert alert.detail["target"] == "127.0.0.1:22"
    assert Incident.objects.get(behaviour="reverse tunnel").alert_count == 1
    assert Connection.objects.filter(process=alert.process, remote="127.0.0.1:22").count() == 100


def test_a_hundred_connections_in_one_batch_are_one_alert_that_says_how_many(running: Machine) -> None:
    told(running, *(used(number=number) for number in range(100)))
    (alert,) = in_use()
    assert alert.detail["connections"] == 100


def test_a_connection_on_its_way_and_then_established_is_one(running: Machine) -> None:
    told(running, used(state="SYN_SENT"), used())
    (alert,) = in_use()
    assert "connections" not in alert.detail


def test_another_peer_is_another_alert_and_each_is_said_once(running: Machine) -> None:
    for number in range(6):
        told(running, used(number=number, remote=("127.0.0.1:22", "127.0.0.1:8000")[number % 2]))
    assert [alert.detail["target"] for alert in in_use()] == ["127.0.0.1:22", "127.0.0.1:8000"]


def test_a_second_process_is_another_alert(running: Machine) -> None:
    told(running, *tunnel(300))
    for number in range(4):
        told(running, used(200, number), used(300, 100 + number))
    assert len({alert.process_id for alert in in_use()}) == len(in_use()) == 2


def test_the_same_pid_started_anew_is_another_process(running: Machine) -> None:
    told(running, used())
    anew = {"start_ticks": 9_999}
    told(running, process(200, ("ssh", "-p", "443", "relay"), marker="rome-1", **anew))
    told(running, socket(200, RELAY, local="10.0.0.5:50999", **anew))
    told(running, used(number=1, **anew))
    assert len({alert.process_id for alert in in_use()}) == 2


def test_after_a_long_time_it_is_said_again_with_what_came_between(running: Machine) -> None:
    told(running, used())
    Alert.objects.update(received_at=timezone.now() - AFTER - timedelta(seconds=1))
    for number in range(1, 8):
        put(running, used(number=number))
    told(running, used(number=8))
    first, again = in_use()
    assert first.process_id == again.process_id
    assert again.detail["connections"] == 8


def test_a_clock_of_the_host_that_runs_ahead_silences_nothing(running: Machine) -> None:
    told(running, used(at=4_000_000_000.0))
    Alert.objects.update(received_at=timezone.now() - AFTER - timedelta(seconds=1))
    told(running, used(number=1, at=4_000_000_001.0))
    assert len(in_use()) == 2


def test_once_its_incident_is_closed_it_is_said_again_and_opens_the_next(running: Machine) -> None:
    told(running, used())
    incident = Incident.objects.get(behaviour="reverse tunnel")
    person = User.objects.create(username="ana", role="responder")
    incidents.take(incident, by=person)
    incidents.close(incident, verdict=Verdict.MODEL, by=person)
    told(running, used(number=1))
    assert len(in_use()) == 2
    assert Incident.objects.filter(behaviour="reverse tunnel").count() == 2


def test_a_scan_is_one_alert_a_host_that_is_scanned(running: Machine) -> None:
    told(running, process(400, ("python3", "a.py"), marker="rome-1"))
    for port in range(1, 40):
        told(running, socket(400, f"10.0.0.9:{port}", local=f"10.0.0.5:{45_000 + port}"))
    for port in range(1, 41):
        told(running, socket(400, f"10.0.0.8:{port}", local=f"10.0.0.5:{46_000 + port}"))
    scans = Alert.objects.filter(rule__slug="many-targets").order_by("pk")
    assert [alert.detail["host"] for alert in scans] == ["10.0.0.9", "10.0.0.8"]


def test_a_process_of_another_host_is_another_process(running: Machine) -> None:
    told(running, used())
    other = Machine.enrolled()
    told(other, *tunnel(), used())
    assert {alert.host_id for alert in in_use()} == {running.agent.host_id, other.agent.host_id}


def test_a_batch_of_many_costs_no_more_questions_than_one(running: Machine) -> None:
    told(running, used())
    put(running, used(remote="127.0.0.1:99"))
    with CaptureQueriesContext(connection) as one:
        work_off()
    put(running, *(used(number=number, remote=f"127.0.0.1:{50_000 + number}") for number in range(1, 60)))
    with CaptureQueriesContext(connection) as many:
        work_off()
    assert len(in_use()) == 61
    assert len(many) == len(one)


def work_off() -> None:
    from apps.gateway import ingest

    ingest.work_off()
    assert set(Batch.objects.values_list("state", flat=True)) == {"done"}
