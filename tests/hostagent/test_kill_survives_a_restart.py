"""An order that was taken is finished, even when the agent is killed in the middle of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hostagent.config import State
from hostagent.journal import Journal
from tests.hostagent.acting import Launched, Orders
from tests.hostagent.stub import Stub

pytestmark = pytest.mark.cgroup
SLEEP = "import subprocess, time; subprocess.Popen(['sleep', '300']); time.sleep(300)"


def test_an_order_in_the_journal_is_carried_out_at_the_next_start(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, state: State
) -> None:
    """What a kill -9 right after the order was taken leaves behind; the order has expired meanwhile."""
    run = launch(SLEEP, children=1)
    payload = orders.payload(run, "KILL", expires_ms=1)
    journal = Journal(state.journal_file)
    assert journal.take(payload["order_id"], payload["nonce"], json.dumps(payload))
    journal.close()
    agent()
    receipts = orders.receipts(payload["order_id"])
    assert "taken up again" in receipts[0]["detail"]
    assert receipts[-1]["stage"] == "VERIFIED"
    assert run.marked() == []


def test_killed_in_the_watch_it_watches_again(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, stub: Stub
) -> None:
    first = agent()
    run = launch(SLEEP, children=1)
    payload = orders.payload(run, "KILL", respawn_watch_s=1.0)
    stub.order(payload)
    stub.wait(lambda: "WATCHING" in stub.stages(payload["order_id"]))
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    agent()
    receipts = orders.receipts(payload["order_id"])
    assert receipts[-1]["stage"] == "VERIFIED"
    assert [one["seq"] for one in receipts] == list(range(len(receipts)))
    assert run.marked() == []


def test_killed_at_any_moment_of_a_kill_the_run_dies_all_the_same(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, stub: Stub
) -> None:
    first = agent()
    run = launch(SLEEP, children=1)
    payload = orders.payload(run, "KILL")
    stub.order(payload)
    stub.wait(lambda: stub.stages(payload["order_id"]))  # delivered: anything may be under way
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    agent()
    receipts = orders.receipts(payload["order_id"])
    assert receipts[-1]["stage"] == "VERIFIED"
    assert run.marked() == []


def test_receipts_wait_for_a_server_that_is_away(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, state: State, stub: Stub
) -> None:
    agent()
    run = launch(SLEEP, children=1)
    stub.away = True
    payload = orders.payload(run, "KILL")
    journal_receipts = orders.give_by_bell_alone(payload, state)
    assert journal_receipts[-1]["stage"] == "VERIFIED"
    assert stub.receipts == []
    stub.away = False
    assert orders.receipts(payload["order_id"]) == journal_receipts
