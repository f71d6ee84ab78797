"""Nobody but the server orders a stop, and nobody but the host says what came of it."""

import json

import pytest

from apps.audit.models import AuditEntry
from apps.response.models import OrderTarget, Receipt
from apps.response.signing import sign_order
from tests.flows.training_host import TrainingHost, gone, reached, until
from tests.live import Web
from tests.response.cast import machine, order, person, said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.cgroup]


@pytest.fixture
def sleeping(server: Web, training_host: TrainingHost) -> TrainingHost:
    """The host agent is down, so that its orders can be tampered with before it reads them."""
    training_host.kill()
    return training_host


def test_an_altered_order_stops_nothing(sleeping: TrainingHost) -> None:
    run, pids = sleeping.launch_tree("kestrel-32b", 2)
    target = order(run, person()).targets.get()
    altered = target.payload.replace('"action":"KILL"', '"action":"PAUSE"')
    assert altered != target.payload
    OrderTarget.objects.update(payload=altered)
    sleeping.start()
    until(lambda: reached(target, "UNREACHABLE"), what="nobody took the forgery")
    assert not gone(pids)
    assert not Receipt.objects.exists()


def test_an_order_for_another_host_is_refused_by_this_one(sleeping: TrainingHost) -> None:
    run, pids = sleeping.launch_tree("kestrel-32b", 2)
    target = order(run, person()).targets.get()
    misled = json.loads(target.payload) | {"host_id": "4711"}
    text = json.dumps(misled)
    OrderTarget.objects.update(payload=text, signature=sign_order(text))
    sleeping.start()
    until(lambda: reached(target, "REFUSED"), what="refused and signed so")
    assert not gone(pids)


def test_a_receipt_of_another_host_over_the_wire_moves_nothing(server: Web, sleeping: TrainingHost) -> None:
    run, _ = sleeping.launch_tree("kestrel-32b", 2)
    target = order(run, person()).targets.get()
    stranger = machine("elsewhere")
    text, signature = stranger.signed(said(target, "VERIFIED"))
    body = json.dumps([{"payload": text, "signature": signature}]).encode()
    headers = stranger.headers("POST", "/agent/v1/receipts", body)
    status, answer = server.request("POST", "/agent/v1/receipts", body=body, headers=headers)
    assert (status, answer["error"]) == (422, "refused")
    assert server.request("POST", "/agent/v1/receipts", body=body, headers=headers)[0] == 401
    assert reached(target, "REQUESTED", "UNREACHABLE")
    assert AuditEntry.objects.filter(action="receipt.refused", by_name="elsewhere").count() == 1
