"""Whatever is wrong with a batch gets a code and a sentence, and changes nothing."""

import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from asgiref.sync import sync_to_async

from apps.audit.services import SYSTEM
from apps.core.keys import b64
from apps.feed.models import FeedEntry
from apps.fleet.services import revoke
from apps.gateway.door import Door
from apps.telemetry.models import Batch
from hostagent import protocol
from tests.gateway.machine import Answer, Machine, _nowhere, post

GOOD = [{"kind": "heartbeat", "at": 1_795_000_000.0}]


async def refused(answer: Answer, status: int, code: str) -> None:
    """The answer says so in words, and nothing was stored."""
    assert (answer.status, answer.body.get("error")) == (status, code), answer
    assert answer.body["detail"].endswith(".")
    assert answer.body["server_time_ms"] > 1_700_000_000_000
    assert await Batch.objects.acount() == 0


async def sent(machine: Machine, content: bytes, encoding: str = "identity") -> Answer:
    machine.encoding = encoding
    return await post(content, machine.headers(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{}",
        b'"kind"',
        b"[1]",
        b"[{}]",
        b'[{"kind":"heartbeat"}]',
        b'[{"at":1.0}]',
        b'[{"kind":5,"at":1.0}]',
        b'[{"kind":"","at":1.0}]',
        b'[{"kind":"heartbeat","at":"now"}]',
        b'[{"kind":"heartbeat","at":NaN}]',
        b'[{"kind":"heartbeat","at":1e999}]',
        b'[{"kind":"heartbeat","at":-1}]',
        b'[{"kind":"heartbeat","at":99999999999}]',
        b'[{"kind":"heartbeat","at":1.0}',
        b'[{"kind":"heartbeat","at":1.0}]]',
        b'[{"kind":"heartbeat","at":1.0,"x":NaN}]',
        b'[{"kind":"heartbeat","at":1.0,"x":"\xff"}]',
        b'[{"kind":"heart\\ud800beat","at":1.0}]',
        b'[{"kind":"' + b"k" * 65 + b'","at":1.0}]',
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"kind":"heartbeat","at":1.0,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b"\x00" * 100,
    ],
)
async def test_what_is_no_array_of_records(machine: Machine, content: bytes) -> None:
    await refused(await sent(machine, content), 400, "malformed")


WHOLE = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", WHOLE),
        ("gzip", gzip.compress(WHOLE)[:-9]),
        ("gzip", gzip.compress(WHOLE) + b"more"),
        ("gzip", gzip.compress(WHOLE) + gzip.compress(WHOLE)),
        ("gzip", b""),
        ("zstd", WHOLE),
        ("zstd", zstandard.compress(WHOLE)[:-3]),
        ("zstd", zstandard.compress(WHOLE) + b"more"),
        ("zstd", b""),
    ],
)
async def test_body_that_is_not_whole_in_its_encoding(machine: Machine, encoding: str, body: bytes) -> None:
    await refused(await sent(machine, body, encoding), 400, "bad-encoding")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_bomb_is_refused_before_it_is_unpacked(machine: Machine, encoding: str) -> None:
    content = b"[" + b" " * (protocol.MAX_INFLATED_BYTES + 10) + b"]"
    body = gzip.compress(content, 1) if encoding == "gzip" else zstandard.compress(content)
    await refused(await sent(machine, body, encoding), 413, "too-large")


async def test_body_larger_than_allowed_is_refused_by_what_it_declares(machine: Machine) -> None:
    headers = machine.headers(b"[]", **{"Content-Length": str(protocol.MAX_BODY_BYTES + 1)})
    await refused(await post(b"[]", headers), 413, "too-large")


async def test_body_that_declares_nothing_is_counted_as_it_comes(machine: Machine) -> None:
    body = b" " * (protocol.MAX_BODY_BYTES + 1)
    machine.encoding = "identity"
    await refused(await post(body, machine.headers(body), parts=9), 413, "too-large")


async def test_more_records_than_a_batch_may_have(machine: Machine) -> None:
    body = machine.body(GOOD * (protocol.MAX_RECORDS + 1))
    await refused(await post(body, machine.headers(body)), 413, "too-many")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
async def test_encoding_that_nobody_agreed_on(machine: Machine, encoding: str) -> None:
    await refused(await sent(machine, b"[]", encoding), 415, "unknown-encoding")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_another_method(machine: Machine, method: str) -> None:
    answer = await post(b"", machine.headers(b""), method=method)
    await refused(answer, 405, "method")
    assert answer.headers["allow"] == "POST"


def without(name: str) -> Callable[[dict[str, str]], None]:
    return lambda headers: headers.pop(name) and None


def given(name: str, value: str) -> Callable[[dict[str, str]], None]:
    return lambda headers: headers.update({name: value})


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (without("Sentinel-Signature"), 401, "unsigned"),
        (without("Sentinel-Agent"), 401, "unknown-agent"),
        (given("Sentinel-Agent", "1; DROP TABLE"), 401, "unknown-agent"),
        (given("Sentinel-Agent", str(uuid.uuid4())), 401, "unknown-agent"),
        (without("Sentinel-Sequence"), 400, "bad-header"),
        (given("Sentinel-Sequence", "0"), 400, "bad-header"),
        (given("Sentinel-Sequence", "-1"), 400, "bad-header"),
        (given("Sentinel-Sequence", "01"), 400, "bad-header"),
        (given("Sentinel-Sequence", "1.0"), 400, "bad-header"),
        (given("Sentinel-Sequence", str(2**63)), 400, "bad-header"),
        (given("Sentinel-Sequence", "²"), 400, "bad-header"),
        (given("Sentinel-Sequence", "2"), 401, "bad-signature"),
        (given("Sentinel-Signature", "AAAA"), 401, "bad-signature"),
        (given("Sentinel-Signature", "!" * 86), 401, "bad-signature"),
        (given("Sentinel-Signature", b64(bytes(64))), 401, "bad-signature"),
    ],
)
async def test_headers_that_do_not_prove_who_sent_it(
    machine: Machine, spoil: Callable[[dict[str, str]], None], status: int, code: str
) -> None:
    body = machine.body(GOOD)
    headers = machine.headers(body)
    spoil(headers)
    await refused(
        await post(body, {k: v.encode().decode("latin-1") for k, v in headers.items()}), status, code
    )


async def test_body_that_was_altered_on_the_way(machine: Machine) -> None:
    body = machine.body(GOOD)
    headers = machine.headers(body)
    await refused(await post(machine.body([*GOOD, *GOOD]), headers), 401, "bad-signature")


async def test_batch_of_one_host_under_the_name_of_another(machine: Machine) -> None:
    other = await sync_to_async(Machine.enrolled)()
    body = machine.body(GOOD)
    headers = machine.headers(body)
    headers["Sentinel-Agent"] = str(other.agent.uuid)
    await refused(await post(body, headers), 401, "bad-signature")


async def test_same_number_with_another_body_keeps_the_first(machine: Machine) -> None:
    first, second = machine.body(GOOD), machine.body([*GOOD, *GOOD])
    assert (await post(first, machine.headers(first))).status == 202
    answer = await post(second, machine.headers(second, sequence=1))
    assert (answer.status, answer.body["error"]) == (409, "sequence-taken")
    assert bytes((await Batch.objects.aget()).body) == first


async def test_revocation_counts_from_the_next_batch_on(machine: Machine) -> None:
    door = Door(_nowhere)
    body = machine.body(GOOD)
    assert (await post(body, machine.headers(body), door=door)).status == 202
    await sync_to_async(revoke)(machine.agent, by=SYSTEM)  # the door still remembers the key
    answer = await post(body, machine.headers(body), door=door)
    assert (answer.status, answer.body["error"]) == (403, "revoked")
    assert await Batch.objects.acount() == 1


async def test_refusal_leaves_no_trace_on_the_feed(machine: Machine) -> None:
    before = await FeedEntry.objects.acount()
    await sent(machine, b"nonsense")
    assert await FeedEntry.objects.acount() == before


async def test_everything_else_goes_on_to_django() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    await Door(app)({"type": "http", "path": "/agent/v1/batches/"}, None, None)  # type: ignore[arg-type]
    await Door(app)({"type": "http", "path": "/"}, None, None)  # type: ignore[arg-type]
    assert seen == ["/agent/v1/batches/", "/"]
