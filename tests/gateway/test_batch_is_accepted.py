"""A signed batch is in the inbox before the agent hears 202, once, and as it was sent."""

import asyncio
import hashlib
import time
import zlib
from typing import Any

import pytest
import zstandard
from asgiref.sync import sync_to_async

from apps.audit.services import SYSTEM
from apps.core import precedence
from apps.fleet.services import revoke
from apps.gateway import mailbox
from apps.gateway.door import Door
from apps.telemetry.models import Batch
from tests.gateway.machine import Machine, _nowhere, post

RECORDS = [{"kind": "heartbeat", "at": 1_795_000_000.0}, {"kind": "gap", "at": 1_795_000_001.5, "dropped": 2}]


async def test_answer_comes_with_the_row_as_it_was_sent(machine: Machine) -> None:
    body = machine.body(RECORDS)
    headers = machine.headers(body)
    answer = await post(body, headers)
    assert (answer.status, answer.body["sequence"]) == (202, 1)
    assert "duplicate" not in answer.body
    row = await Batch.objects.aget()
    assert (bytes(row.body), row.encoding, row.state, row.records) == (body, "gzip", "pending", 2)
    assert row.signature == headers["Sentinel-Signature"]
    assert row.digest == hashlib.sha256(body).hexdigest()
    assert row.agent_id == machine.agent.pk


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("identity", bytes),
        ("", bytes),
        ("gzip", lambda data: zlib.compress(data, wbits=31)),
        ("zstd", lambda data: zstandard.compress(data)),
        ("ZSTD", lambda data: _unsized(data)),
    ],
)
async def test_every_encoding_is_read(machine: Machine, encoding: str, encode: Any) -> None:
    machine.encoding, machine.encode = encoding, encode
    body = machine.body(RECORDS)
    assert (await post(body, machine.headers(body))).status == 202
    assert (await Batch.objects.aget()).encoding == (encoding.lower() or "identity")


def _unsized(data: bytes) -> bytes:
    """A frame that does not say how long its content is."""
    writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return writer.compress(data) + writer.flush()


async def test_it_waits_for_a_stop_and_is_taken(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "STOP_SECONDS", 0.3)
    body = machine.body(RECORDS)
    precedence.claim()
    until = precedence._until
    assert (await post(body, machine.headers(body))).status == 202
    assert time.monotonic() >= until


async def test_body_may_come_in_parts(machine: Machine) -> None:
    body = machine.body(RECORDS)
    assert (await post(body, machine.headers(body), parts=7)).status == 202


async def test_same_number_and_body_again_is_the_same_answer_and_one_row(machine: Machine) -> None:
    body = machine.body(RECORDS)
    headers = machine.headers(body)
    await post(body, headers)
    again = await post(body, headers)
    assert (again.status, again.body["duplicate"]) == (202, True)
    assert await Batch.objects.acount() == 1


async def test_broker_that_is_down_is_not_noticed_by_the_agent(machine: Machine, settings: Any) -> None:
    from apps.gateway.kick import kick

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    body = machine.body(RECORDS)
    assert (await post(body, machine.headers(body))).status == 202
    assert await Batch.objects.acount() == 1
    await sync_to_async(kick.settle)()
    assert kick.broker_is_away


async def test_empty_batch_is_a_batch(machine: Machine) -> None:
    body = machine.body([])
    assert (await post(body, machine.headers(body))).status == 202
    assert (await Batch.objects.aget()).records == 0


async def test_batches_that_come_together_are_each_answered_for_themselves(machine: Machine) -> None:
    door = Door(_nowhere)
    other = await sync_to_async(Machine.enrolled)()
    revoked = await sync_to_async(Machine.enrolled)()
    bodies = [machine.body([{"kind": "gap", "at": 1.0, "dropped": number}]) for number in range(12)]
    wanted = [(one, body) for one in (machine, other, revoked) for body in bodies]
    first = revoked.body([])
    await post(first, revoked.headers(first), door=door)  # its key is remembered
    await sync_to_async(revoke)(revoked.agent, by=SYSTEM)
    requests = [(body, one.headers(body)) for one, body in wanted]
    again, clash = requests[0], (bodies[1], machine.headers(bodies[1], sequence=3))
    answers = await asyncio.gather(*(post(*each, door=door) for each in [*requests, again, clash]))
    # Which of two with one number is the first is not said: each may be the one that fetches the key first.
    statuses = [answer.status for answer in answers]
    assert {statuses[2], statuses[-1]} == {202, 409}
    assert statuses[:2] + statuses[3:-1] == [202] * 23 + [403] * 12 + [202]
    assert sorted("duplicate" in answer.body for answer in (answers[0], answers[-2])) == [False, True]
    kept = [*bodies[:2], bodies[2 if statuses[2] == 202 else 1], *bodies[3:]]
    rows = Batch.objects.filter(agent=machine.agent).order_by("sequence")
    assert [(row.sequence, bytes(row.body)) async for row in rows] == list(enumerate(kept, start=1))
    assert await Batch.objects.acount() == 25


async def test_database_that_fails_is_said_to_all_that_waited_and_then_forgotten(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(_nowhere)
    bodies = [machine.body([{"kind": "gap", "at": 1.0, "dropped": number}]) for number in range(5)]
    requests = [(body, machine.headers(body)) for body in bodies]
    with monkeypatch.context() as broken:
        broken.setattr(
            mailbox, "INSERT", "SELECT 1 / 0 WHERE %s || %b || %s || %b || %s || %s || %s || %s || %s"
        )
        answers = await asyncio.gather(*(post(*each, door=door) for each in requests))
    assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(503, "2")}
    assert await Batch.objects.acount() == 0
    answers = await asyncio.gather(*(post(*each, door=door) for each in requests))
    assert {answer.status for answer in answers} == {202}
