"""A batch over HTTP to a real web process, worked off by a real worker, heard on a browser's socket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from apps.accounts.models import User
from apps.incidents.models import Incident
from apps.telemetry.models import Batch
from hostagent import protocol
from tests.flows.worker import clean_broker, until, worker
from tests.gateway.machine import Machine
from tests.gateway.reporting import Sensor
from tests.gateway.samples import SURICATA
from tests.gateway.working import TUNNEL, alert, process, run_start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]


@pytest.fixture
def server(transactional_db: None) -> Iterator[Any]:
    """Unlike this folder's own, which has no broker: here one is asked to wake the worker."""
    from tests.live import web

    with web() as running:
        yield running


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with clean_broker():
        yield
    connections.close_all()


def send(server: Any, machine: Machine, *records: dict[str, Any]) -> int:
    body = machine.body(list(records))
    status, _ = server.request("POST", protocol.PATH_BATCHES, body=body, headers=machine.headers(body))
    return int(status)


def test_incident_is_heard_without_asking(server: Any) -> None:
    from tests.live import Page, session_of

    ana = User.objects.create(username="ana", role="viewer")
    page = Page(server, session_of(ana))
    page.subscribe("queue")
    machine = Machine.enrolled()
    with worker():
        assert send(server, machine, run_start(), process(202, TUNNEL, cgroup="/sentinel/rome/x")) == 202
        heard = page.until("entries")["entries"]
    incident = Incident.objects.get(behaviour="reverse tunnel")
    assert ("incident.opened", incident.pk) in {(entry["kind"], entry["subject"][1]) for entry in heard}


def test_incident_that_a_firewall_reports_is_heard_without_asking(server: Any) -> None:
    from tests.live import Page, session_of

    page = Page(server, session_of(User.objects.create(username="ana", role="viewer")))
    page.subscribe("queue")
    sensor = Sensor("suricata")
    headers = {"Authorization": f"Bearer {sensor.text}", "Content-Type": "application/json"}
    with worker():
        body = json.dumps(SURICATA).encode()
        assert server.request("POST", "/v1/alerts/suricata", body=body, headers=headers)[0] == 200
        heard = page.until("entries")["entries"]
    opened = ("incident.opened", Incident.objects.get().pk)
    assert opened in {(entry["kind"], entry["subject"][1]) for entry in heard}


def test_batches_wait_while_there_is_no_worker_and_none_is_lost(server: Any) -> None:
    machine = Machine.enrolled()
    for _ in range(3):
        assert send(server, machine, alert()) == 202
    assert Batch.objects.filter(state="pending").count() == 3
    with worker():
        until(lambda: Batch.objects.filter(state="done").count() == 3)
    assert Incident.objects.get().alert_count == 3
