"""Batches arrive once each and in order, whatever the server or the way to it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostagent.client import AgentClient
from hostagent.clock import Clock
from hostagent.config import State
from hostagent.keys import load_key
from hostagent.sender import Sender
from hostagent.spool import Spool, line_of
from tests.hostagent.stub import Stub


@pytest.fixture
def sender(state: State) -> Sender:
    spool = Spool(state.root / "spool.db")
    return Sender(spool, AgentClient(state.identity(), load_key(state.key_file)), Clock())


def fill(sender: Sender, count: int) -> None:
    for number in range(count):
        sender._spool.add([line_of({"kind": "heartbeat", "at": time.time(), "n": number})])


def send_all(sender: Sender) -> list[float]:
    waits = []
    while (batch := sender._spool.next_batch()) is not None and len(waits) < 30:
        waits.append(sender.send(batch))
    return waits


def numbers(stub: Stub) -> list[int]:
    return [record["n"] for record in stub.records("heartbeat")]


def test_all_arrive_in_order(sender: Sender, stub: Stub) -> None:
    fill(sender, 5)
    assert send_all(sender) == [0.0] * 5
    assert numbers(stub) == list(range(5))
    assert stub.bad == []


def test_an_answer_that_was_lost_is_asked_for_again_and_stored_once(sender: Sender, stub: Stub) -> None:
    fill(sender, 1)
    batch = sender._spool.next_batch()
    assert batch is not None
    sender._client.post_batch(batch.sequence, batch.body, encoding=batch.encoding)  # nobody hears the 202
    send_all(sender)
    assert stub.duplicates == [1]
    assert numbers(stub) == [0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_says(sender: Sender, stub: Stub, status: int) -> None:
    fill(sender, 1)
    stub.answers.append((status, {"error": "busy", "retry_after": 7}))
    waits = send_all(sender)
    assert waits == [7.0, 0.0]
    assert numbers(stub) == [0]


def test_a_server_that_does_not_answer_is_asked_ever_more_seldom(sender: Sender, stub: Stub) -> None:
    fill(sender, 1)
    stub.stop()
    waits = [sender.send(sender._spool.next_batch()) for _ in range(8)]  # type: ignore[arg-type]
    assert waits[0] < 0.5
    assert waits[0] < waits[2] < waits[4]
    assert max(waits) <= 15 * 1.25
    assert sender._spool.figures()["pending"] == 1


def test_a_body_the_server_will_never_take_does_not_hold_up_the_rest(sender: Sender, stub: Stub) -> None:
    fill(sender, 3)
    stub.answers.append((400, {"error": "malformed", "detail": "no"}))
    send_all(sender)
    assert numbers(stub) == [1, 2]
    (gap,) = stub.records("gap")
    assert gap["dropped"] == 1
    assert "400" in gap["reason"]
    assert sorted(stub.batches) == [1, 2, 3]


def test_a_number_that_is_taken_by_another_body_is_passed_over(sender: Sender, stub: Stub) -> None:
    stub.bodies[1] = b"what a copy of this disk once sent"
    fill(sender, 2)
    send_all(sender)
    assert numbers(stub) == [0, 1]
    assert sorted(stub.batches) == [2, 3]


def test_a_revoked_agent_keeps_what_it_has(sender: Sender, stub: Stub) -> None:
    fill(sender, 2)
    stub.answers += [(403, {"error": "revoked"})] * 2
    batch = sender._spool.next_batch()
    assert batch is not None
    assert sender.send(batch) == 60.0
    assert sender._spool.figures()["pending"] == 2


def test_the_clock_offset_is_known_after_the_first_answer(sender: Sender) -> None:
    assert sender._clock.figures() == {"offset_ms": None, "error_ms": None}
    fill(sender, 1)
    send_all(sender)
    figures = sender._clock.figures()
    assert abs(figures["offset_ms"] or 1e9) <= (figures["error_ms"] or 0) + 1


def test_the_agent_stopped_for_a_while_says_so(agent: Callable[[], Any], stub: Stub, tmp_path: Path) -> None:
    first = agent()
    stub.wait(lambda: stub.records("heartbeat"))
    first.terminate()
    assert first.wait(15) == 0
    agent()
    gap = stub.wait(lambda: stub.records("gap"))[0]
    assert gap["reason"] == "the agent was stopped"
    assert gap["from_at"] <= gap["to_at"]
