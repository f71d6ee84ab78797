"""An order moves nothing unless the pinned server key signed it, for this host, once, and in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC

from hostagent import protocol
from hostagent.config import Identity
from hostagent.journal import Journal
from hostagent.keys import ServerKey
from hostagent.orders import Forged, Judge, Known, Refusal
from tests.hostagent.acting import Launched, Orders
from tests.hostagent.stub import Stub

SLEEP = "import time; time.sleep(300)"


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    stub = Stub()
    judge = Judge(identity(stub), ServerKey(stub.public()), Journal(tmp_path / "orders.db"))
    judge.stub = stub  # type: ignore[attr-defined]
    return judge


def identity(stub: Stub) -> Identity:
    return Identity(server=stub.url, agent_id="a-1", host_id="h-1", host_name="h", server_key=stub.public())


def signed(judge: Any, payload: dict[str, Any] | str, *, key: Any = None) -> dict[str, str]:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return {"payload": text, "signature": judge.stub.sign(protocol.order_bytes(text), key)}


def an_order(**changes: Any) -> dict[str, Any]:
    return Orders(Stub()).payload(None, "KILL", **changes)


def now_ms() -> float:
    return time.time() * 1000


def test_a_good_order_is_taken_once(judge: Judge) -> None:
    order = signed(judge, an_order())
    first = judge.judge(order, now_ms=now_ms())
    assert isinstance(first, dict)
    assert first["action"] == "KILL"
    assert isinstance(judge.judge(order, now_ms=now_ms()), Known)


def test_another_key_signs_nothing(judge: Judge) -> None:
    order = signed(judge, an_order(), key=ECC.generate(curve="Ed25519"))
    assert isinstance(judge.judge(order, now_ms=now_ms()), Forged)


def test_one_changed_letter_voids_the_signature(judge: Judge) -> None:
    order = signed(judge, an_order())
    order["payload"] = order["payload"].replace('"KILL"', '"kILL"')
    assert isinstance(judge.judge(order, now_ms=now_ms()), Forged)


def test_a_signature_for_a_receipt_is_none_for_an_order(judge: Judge) -> None:
    text = json.dumps(an_order())
    signature = judge.stub.sign(protocol.receipt_bytes(text))  # type: ignore[attr-defined]
    verdict = judge.judge({"payload": text, "signature": signature}, now_ms=now_ms())
    assert isinstance(verdict, Forged)


@pytest.mark.parametrize("change", [{"agent_id": "a-2"}, {"host_id": "h-2"}])
def test_an_order_for_another_host_is_refused(judge: Judge, change: dict[str, str]) -> None:
    verdict = judge.judge(signed(judge, an_order(**change)), now_ms=now_ms())
    assert isinstance(verdict, Refusal)
    assert verdict.stage == "REFUSED"
    assert "another host" in verdict.why


def test_an_expired_order_is_not_carried_out(judge: Judge) -> None:
    verdict = judge.judge(signed(judge, an_order(expires_ms=int(now_ms()) - 1)), now_ms=now_ms())
    assert isinstance(verdict, Refusal)
    assert verdict.stage == "EXPIRED"


def test_a_used_nonce_under_a_new_number_is_a_replay(judge: Judge) -> None:
    first = an_order()
    judge.judge(signed(judge, first), now_ms=now_ms())
    verdict = judge.judge(signed(judge, {**first, "order_id": 99}), now_ms=now_ms())
    assert isinstance(verdict, Refusal)
    assert "nonce" in verdict.why


def test_a_taken_number_with_another_text_is_refused(judge: Judge) -> None:
    first = an_order()
    judge.judge(signed(judge, first), now_ms=now_ms())
    verdict = judge.judge(signed(judge, {**first, "nonce": "other"}), now_ms=now_ms())
    assert isinstance(verdict, Refusal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        json.dumps(an_order(order_id="1")),
        json.dumps(an_order(order_id=True)),
        json.dumps(an_order(marker="")),
        json.dumps(an_order(targets=[])),
        json.dumps(an_order(targets={"pids": [[1]]})),
        json.dumps(an_order(targets={"pids": [[1, "2"]]})),
        json.dumps(an_order(targets={"cgroup": 5})),
    ],
)
def test_even_signed_nonsense_moves_nothing(judge: Judge, text: str) -> None:
    assert isinstance(judge.judge(signed(judge, text), now_ms=now_ms()), Forged)


@pytest.mark.parametrize(
    "odd", [None, 5, "x", [], {"payload": 1}, {"payload": "{}", "signature": "=ä"}, {"payload": []}]
)
def test_what_is_no_signed_order_at_all_is_forged(judge: Judge, odd: object) -> None:
    assert isinstance(judge.judge(odd, now_ms=now_ms()), Forged)


BY_BELL_OR_LIST = pytest.mark.parametrize(
    "way", [{"listed": False}, {"brought": False}], ids=["brought by the bell", "fetched"]
)


def killed(run: Launched, orders: Orders, stub: Stub, **way: bool) -> bool:
    """Whether an order that came this way was carried out."""
    payload = orders.payload(run, "KILL")
    stub.order(payload, **way)
    return orders.receipts(payload["order_id"])[-1]["stage"] == "VERIFIED" and run.marked() == []


@BY_BELL_OR_LIST
def test_an_order_is_carried_out_however_it_comes(
    agent: Callable[[], Any],
    launch: Callable[..., Launched],
    orders: Orders,
    stub: Stub,
    way: dict[str, bool],
) -> None:
    run = launch(SLEEP)
    agent()
    assert killed(run, orders, stub, **way)


def test_what_the_bell_brought_need_not_be_fetched_and_is_not_done_twice(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, stub: Stub
) -> None:
    run = launch(SLEEP)
    agent()
    stub.wait(lambda: stub.looked == 1)  # for what was ordered while the bell was down
    payload = orders.payload(run, "PAUSE")
    stub.order(payload)
    first = orders.receipts(payload["order_id"])
    assert stub.looked == 1
    stub.ring(*stub.orders)
    stub.ring()
    stub.wait(lambda: stub.looked == 2)
    assert orders.give(run, "RESUME")[-1]["stage"] == "RESUMED"
    assert orders.receipts(payload["order_id"]) == first


def test_nonsense_on_the_bell_does_not_cost_the_order_behind_it(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, stub: Stub
) -> None:
    run = launch(SLEEP)
    agent()
    stub.ring(None, 5, {"payload": 1}, {"payload": "\ud800", "signature": "x"}, [])
    assert killed(run, orders, stub, listed=False)


@BY_BELL_OR_LIST
def test_a_forged_order_leaves_the_run_alone_and_is_news(
    agent: Callable[[], Any],
    launch: Callable[..., Launched],
    orders: Orders,
    stub: Stub,
    way: dict[str, bool],
) -> None:
    run = launch(SLEEP)
    agent()
    stub.order(orders.payload(run, "KILL"), key=ECC.generate(curve="Ed25519"), **way)
    alert = stub.wait(lambda: stub.records("alert"))[0]
    assert alert["rule"] == "forged-order"
    assert alert["level"] == "critical"
    assert run.known.running
    assert stub.receipts == []


def test_refusals_are_receipts_and_leave_the_run_alone(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    run = launch(SLEEP)
    agent()
    for change, stage in (({"host_id": "h-2"}, "REFUSED"), ({"expires_ms": 1}, "EXPIRED")):
        receipts = orders.give(run, "KILL", **change)
        assert [one["stage"] for one in receipts] == [stage]
        assert receipts[0]["detail"]
    assert run.known.running


def test_a_restarted_agent_still_knows_what_it_has_carried_out(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, stub: Stub
) -> None:
    first = agent()
    run = launch(SLEEP)
    payload = orders.payload(run, "KILL")
    stub.order(payload)
    orders.receipts(payload["order_id"])
    before = len(stub.receipts)
    first.terminate()
    first.wait(10)
    again = launch(SLEEP, name=run.run)  # the same name, still listed order: it must not hit this one
    agent()
    stub.order(orders.payload(None, "PAUSE"))
    stub.wait(lambda: len(stub.receipts) >= before + 2)
    assert again.known.running
    assert len([one for one in stub.receipts if one["order_id"] == payload["order_id"]]) == before
