"""The hot door: signed batches into the inbox, beside Django because most requests come through here.

A batch is answered 202 only when its row is committed. Whatever is refused changes nothing.
"""

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from apps.core import precedence
from apps.fleet.choices import AgentState
from apps.gateway import pool, records
from apps.gateway.auth import Claim, RefusedError, check_signature, check_state, claim_of, headers_of
from apps.gateway.envelope import check_encoding, check_size, inflate
from apps.gateway.kick import kick
from apps.gateway.mailbox import Mailbox, Row
from hostagent import protocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)
KEY_SECONDS = 5.0  # how long a key is remembered; whether its agent may speak is asked at every insert
MOST_KEYS = 50_000
MOST_HELD_BYTES = 256 * 1024 * 1024  # of bodies under way, all requests together
INLINE_BYTES = 16 * 1024  # larger ones are opened on a thread, so that no other answer waits for them

KEY = "SELECT id, public_key, state FROM fleet_hostagent WHERE uuid = %s"
BEFORE = """
SELECT a.state, b.digest FROM fleet_hostagent a
  LEFT JOIN telemetry_batch b ON b.agent_id = a.id AND b.sequence = %s
 WHERE a.id = %s
"""


@dataclass(slots=True)
class Key:
    """What is known of an agent for a few seconds."""

    agent_id: int
    public: bytes
    state: str
    until: float


class Door:
    """Answers `POST /agent/v1/batches`; everything else goes on to `app`."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._keys: dict[uuid.UUID, Key] = {}
        self._held = 0
        self._mailbox = Mailbox()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == protocol.PATH_BATCHES:
            await self._answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body, retry = 202, await self._take(scope, receive), None
        except RefusedError as refused:
            status, body, retry = refused.status, refused.body(), refused.retry_after
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("The inbox cannot be written (%s): batches are sent back.", type(error).__name__)
            away = RefusedError(503, "inbox-away", "The database is away; send the batch again.")
            status, body, retry = 503, away.body(), 2
        except ConnectionError:
            return  # the agent hung up; nothing was stored and nobody is there to be told
        await _send(send, status, body, retry)
        if status == 202:
            kick()

    async def _take(self, scope: Scope, receive: Receive) -> dict[str, object]:
        """The batch is committed to the inbox, now or before; or RefusedError."""
        if scope["method"] != "POST":
            raise RefusedError(405, "method", "Batches are sent with POST.")
        headers = headers_of(scope["headers"])
        encoding = check_encoding(headers.get("content-encoding", ""))
        claim = claim_of(headers, numbered=True)
        key = await self._key(claim.agent)
        check_state(key.state)
        await precedence.give_way()
        declared = headers.get("content-length", "")
        check_size(int(declared) if declared.isdecimal() else 0)
        held = bytearray()
        try:
            await self._read(receive, held)
            body = bytes(held)
            check_signature(claim, key.public, method="POST", path=protocol.PATH_BATCHES, body=body)
            inline = len(body) <= INLINE_BYTES
            number = _count(body, encoding) if inline else await asyncio.to_thread(_count, body, encoding)
            row = _row(claim, key, body, encoding, number)
            more = {} if await self._mailbox.put(row) else await _before(row)
            return {"sequence": row.sequence, "server_time_ms": time.time_ns() // 1_000_000, **more}
        finally:
            self._held -= len(held)

    async def _read(self, receive: Receive, held: bytearray) -> None:
        """The whole body is in `held`, unless it or all bodies together grow too large."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            part = message.get("body", b"")
            check_size(len(held) + len(part))
            if self._held + len(part) > MOST_HELD_BYTES:
                raise RefusedError(503, "busy", "Too much is under way; send it again soon.", retry_after=1)
            self._held += len(part)
            held += part
            more = message.get("more_body", False)

    async def _key(self, agent: uuid.UUID) -> Key:
        known = self._keys.get(agent)
        if known is not None and known.until > time.monotonic():
            return known
        async with (await pool.pool()).connection() as connection:
            found = await (await connection.execute(KEY, [agent])).fetchone()
        if found is None:
            raise RefusedError(401, "unknown-agent", "No host agent with this id is enrolled here.")
        if len(self._keys) >= MOST_KEYS:
            self._keys.clear()
        self._keys[agent] = key = Key(found[0], bytes(found[1]), found[2], time.monotonic() + KEY_SECONDS)
        return key


def _count(body: bytes, encoding: str) -> int:
    """How many records `body` holds, or RefusedError: it is not an array of them, or one of too many."""
    content = inflate(body, encoding)
    try:
        content.decode()
        number = records.count(content)
    except ValueError as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:200]
        raise RefusedError(400, "malformed", f"The body is no JSON array of records: {reason}.") from None
    if number > protocol.MAX_RECORDS:
        raise RefusedError(413, "too-many", f"A batch may have {protocol.MAX_RECORDS:,} records.")
    return number


def _row(claim: Claim, key: Key, body: bytes, encoding: str, number: int) -> Row:
    return Row(
        agent_id=key.agent_id,
        public_key=key.public,
        sequence=claim.sequence,
        body=body,
        encoding=encoding,
        digest=hashlib.sha256(body).hexdigest(),
        signature=claim.signature,
        received_at=datetime.now(UTC),
        records=number,
    )


async def _before(row: Row) -> dict[str, object]:
    """The row was not taken: it had come before, which is as good, or RefusedError with the reason."""
    async with (await pool.pool()).connection() as connection:
        found = await (await connection.execute(BEFORE, [row.sequence, row.agent_id])).fetchone()
    state, digest = found or (AgentState.REVOKED, None)
    check_state(state)
    if digest is None:
        raise RefusedError(503, "moved", "The host agent is being changed; send it again.", retry_after=1)
    if digest != row.digest:
        raise RefusedError(409, "sequence-taken", "Another batch was received under this number.")
    return {"duplicate": True}


async def _send(send: Send, status: int, body: dict[str, object], retry_after: int | None) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
