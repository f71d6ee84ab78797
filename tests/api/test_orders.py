"""Orders by script: looked at first, made once, followed to what the hosts signed."""

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.response.models import ContainmentOrder
from apps.response.services import receive
from tests.api import facts
from tests.api.script import Script, script_of
from tests.response import cast

pytestmark = pytest.mark.django_db
KEY = "nightly-2026-11-24"


@pytest.fixture
def script() -> Script:
    return script_of(cast.person("operator"))


def kill_of(script: Script, run: Any, /, **more: Any) -> dict[str, Any]:
    seen = script.get(f"/runs/{run.pk}/targets").json()
    return {
        "run": run.pk,
        "action": "KILL",
        "reason": "tunnel",
        "typed_name": run.name,
        "parameters_digest": seen["digest"],
    } | more


def test_an_order_is_made_once_however_often_it_is_sent(script: Script) -> None:
    found, run, _ = facts.scene()
    body = kill_of(script, run, incident=found.pk)
    first = script.post("/orders", body, Idempotency_Key=KEY)
    again = script.post("/orders", body, Idempotency_Key=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["order"] == again.json()["order"]
    assert first["Location"] == f"/api/v1/orders/{first.json()['order']['id']}"
    assert ContainmentOrder.objects.count() == 1
    entry = AuditEntry.objects.get(action="order.issued")
    assert (entry.by_kind, entry.by_name) == ("script", "ana")


def test_an_order_is_followed_to_the_receipts_that_its_host_signed(script: Script) -> None:
    _, run, machine = facts.scene()
    made = script.post("/orders", kill_of(script, run), Idempotency_Key=KEY).json()
    assert made["order"]["outcome"] == "REQUESTED"
    target = ContainmentOrder.objects.get().targets.get()
    text, signature = machine.receipt(target, "VERIFIED")
    assert receive(machine.agent, text, signature).result == "stored"
    told = script.get(f"/orders/{made['order']['id']}").json()
    assert told["order"]["outcome"] == "VERIFIED"
    receipt = told["targets"][0]["receipts"][0]
    assert (receipt["payload"], receipt["signature"]) == (text, signature)
    assert script.get("/orders").json()["items"] == [told["order"]]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"typed_name": "kestrel"}, 422, "wrong_name"),
        ({"reason": "  "}, 422, "no_reason"),
        ({"reason": ""}, 422, "invalid"),
        ({"action": "ERASE"}, 422, "invalid"),
        ({"parameters_digest": "0" * 64}, 409, "stale_targets"),
        ({"run": 987654321}, 404, "not_found"),
        ({"incident": 987654321}, 404, "not_found"),
    ],
)
def test_what_is_not_meant_as_it_stands_is_refused(
    script: Script, change: dict[str, Any], status: int, code: str
) -> None:
    _, run, _ = facts.scene()
    answer = script.post("/orders", kill_of(script, run, **change), Idempotency_Key=KEY)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not ContainmentOrder.objects.exists()


def test_an_order_needs_a_key_and_a_key_belongs_to_one_order(script: Script) -> None:
    _, run, _ = facts.scene()
    assert script.post("/orders", kill_of(script, run)).status_code == 422
    script.post("/orders", kill_of(script, run), Idempotency_Key=KEY)
    other = script.post("/orders", kill_of(script, run, action="PAUSE"), Idempotency_Key=KEY)
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


def test_targets_say_where_the_run_stands_and_what_may_be_ordered(script: Script) -> None:
    _, run, machine = facts.scene()
    seen = script.get(f"/runs/{run.pk}/targets").json()
    assert seen["allowed"] == ["PAUSE", "RESUME", "KILL"]
    assert [target["host"]["name"] for target in seen["targets"]] == [machine.host.name]
    assert seen["targets"][0]["link"] == "seen"
