"""A host agent gets the orders that wait for it, and its receipts count when they are committed."""

import json
from typing import Any

import pytest
from django.utils import timezone

from apps.fleet.choices import AgentState
from apps.fleet.models import HostAgent
from apps.gateway.lane import Lane, answered
from apps.response.models import OrderTarget, Receipt
from tests.response.cast import Machine, machine, order, person, run, said

pytestmark = pytest.mark.django_db
ORDERS, RECEIPTS = "/agent/v1/orders", "/agent/v1/receipts"


def ask(here: Machine) -> tuple[int, dict[str, Any]]:
    return answered("GET", ORDERS, lowered(here.headers("GET", ORDERS)), b"")


def hand_in(here: Machine, body: bytes) -> tuple[int, dict[str, Any]]:
    return answered("POST", RECEIPTS, lowered(here.headers("POST", RECEIPTS, body)), body)


def lowered(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def bundle(*signed: tuple[str, str]) -> bytes:
    return json.dumps([{"payload": text, "signature": signature} for text, signature in signed]).encode()


def test_orders_come_as_the_exact_signed_text() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    waiting = [{"payload": target.payload, "signature": target.signature}]
    assert ask(here) == (200, {"orders": waiting})


def test_asking_changes_nothing_and_another_host_sees_nothing() -> None:
    here, other = machine("a"), machine("b")
    order(run(here), person())
    ask(here)
    assert ask(other) == (200, {"orders": []})
    assert OrderTarget.objects.get().stage == "REQUESTED"


def test_an_order_that_was_delivered_waits_no_longer() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    assert hand_in(here, bundle(here.receipt(target, "DELIVERED")))[0] == 200
    assert ask(here) == (200, {"orders": []})


def test_the_steps_of_a_stop_are_taken_together_and_once() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    steps = ("DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED", "WATCHING")
    body = bundle(*(here.receipt(target, step, seq) for seq, step in enumerate(steps)))
    status, answer = hand_in(here, body)
    assert (status, {one["result"] for one in answer["results"]}) == (200, {"stored"})
    status, answer = hand_in(here, body)
    assert (status, {one["result"] for one in answer["results"]}) == (200, {"duplicate"})
    assert Receipt.objects.count() == len(steps)
    assert OrderTarget.objects.get().stage == "WATCHING"


def test_a_bad_receipt_does_not_hold_up_a_good_one() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    bad = here.signed(said(target, "VERIFIED", nonce="guessed"))
    status, answer = hand_in(here, bundle(bad, here.receipt(target, "DELIVERED")))
    assert (status, [one["result"] for one in answer["results"]]) == (200, ["refused", "stored"])
    assert hand_in(here, bundle(bad))[0] == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"{}", 400),
        (b'[{"payload": "x"}]', 400),
        (b'[{"payload": 1, "signature": "x"}]', 400),
        (b'[{"payload": "x", "signature": "' + b"s" * 97 + b'"}]', 400),
        (b"[" * 10_000, 400),
        (json.dumps([{"payload": "x", "signature": "y"}] * 201).encode(), 413),
    ],
)
def test_what_is_no_list_of_receipts_gets_a_clear_no(body: bytes, status: int) -> None:
    got, answer = hand_in(machine(), body)
    assert got == status
    assert answer["error"]


def test_an_empty_list_is_fine() -> None:
    assert hand_in(machine(), b"[]") == (200, {"results": []})


def test_a_revoked_agent_is_told_so() -> None:
    here = machine()
    HostAgent.objects.update(state=AgentState.REVOKED, revoked_at=timezone.now())
    assert ask(here)[0] == 403
    assert hand_in(here, b"[]")[0] == 403


def test_nobody_asks_without_a_signature() -> None:
    assert answered("GET", ORDERS, {}, b"")[0] == 401
    assert answered("POST", RECEIPTS, {}, b"[]")[0] == 401
    assert answered("POST", ORDERS, {}, b"")[0] == 405
    assert answered("GET", RECEIPTS, {}, b"")[0] == 405


def test_a_request_that_was_recorded_cannot_be_sent_again() -> None:
    here = machine()
    headers = lowered(here.headers("GET", ORDERS))
    assert answered("GET", ORDERS, headers, b"")[0] == 200
    assert answered("GET", ORDERS, headers, b"")[0] == 401


async def through(path: str, *parts: bytes) -> dict[str, Any]:
    """What the lane (and behind it an application that says `behind`) answers to a body in parts."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting.append({"type": "http.request", "body": b""})
    said: dict[str, Any] = {}

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.update(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        said["behind"] = scope["path"]

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    await Lane(behind)(scope, receive, send)
    return said


async def test_too_much_is_refused_before_it_is_held() -> None:
    said = await through(RECEIPTS, *[b"x" * 1_000_000] * 5)
    assert said["status"] == 413


async def test_everything_else_goes_on_to_django() -> None:
    assert (await through("/agent/v1/enrol"))["behind"] == "/agent/v1/enrol"


async def test_an_agent_that_hangs_up_is_not_answered() -> None:
    lane, said = Lane(lambda *_: None), []  # type: ignore[arg-type,return-value,var-annotated]

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    await lane({"type": "http", "method": "GET", "path": ORDERS, "headers": []}, receive, send)
    assert said == []
