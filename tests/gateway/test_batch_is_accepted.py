"""A signed batch is in the inbox before the agent hears 202, once, and as it was sent."""

import hashlib
import zlib
from typing import Any

import pytest
import zstandard
from asgiref.sync import sync_to_async

from apps.telemetry.models import Batch
from tests.gateway.machine import Machine, post

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
