"""The inbox as the hot door fills it: what comes at the same time is committed together.

A commit waits for the disk, and twenty rows wait no longer than one. Nobody is held back for company:
a row goes at once while a hand is free, and with those that came meanwhile otherwise.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.gateway import pool

HANDS = 2  # so that one group is written while the other waits for the disk
MOST_ROWS = 64
MOST_BYTES = 16 * 1024 * 1024

# The state is part of the insert itself, so a revocation counts from the moment it is committed.
INSERT = """
INSERT INTO telemetry_batch
       (agent_id, sequence, body, encoding, digest, signature, received_at, records, state, attempts, error)
SELECT a.id, s.sequence, s.body, s.encoding, s.digest, s.signature, s.received_at, s.records, 'pending', 0, ''
  FROM unnest(%s::bigint[], %b::bytea[], %s::bigint[], %b::bytea[], %s::text[], %s::text[], %s::text[],
              %s::timestamptz[], %s::integer[])
       WITH ORDINALITY AS s(agent_id, public_key, sequence, body, encoding, digest, signature, received_at,
                            records, place)
  JOIN fleet_hostagent a ON a.id = s.agent_id AND a.state = 'active' AND a.public_key = s.public_key
 ORDER BY s.agent_id, s.sequence, s.place
    ON CONFLICT (agent_id, sequence) DO NOTHING
RETURNING agent_id, sequence, digest
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A batch on its way into the inbox."""

    agent_id: int
    public_key: bytes
    sequence: int
    body: bytes
    encoding: str
    digest: str
    signature: str
    received_at: datetime
    records: int


class Mailbox:
    """Rows of many requests, written in groups."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Row, asyncio.Future[bool]]] = []
        self._hands: set[asyncio.Task[None]] = set()

    async def put(self, row: Row) -> bool:
        """True when the row is committed; False when it was not taken, and nothing is changed then.

        Raises what the database raises.
        """
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, written))
        if len(self._hands) < HANDS:
            self._hands.add(asyncio.create_task(self._work()))
        return await written

    async def _work(self) -> None:
        try:
            while self._waiting:
                group = self._take()
                try:
                    taken = await _write([row for row, _ in group])
                except Exception as error:
                    _settle(group, [error] * len(group))
                else:
                    _settle(group, taken)
        finally:
            # Here and not in a callback: between "nothing waits" and "a hand is free" no row may come.
            self._hands.discard(asyncio.current_task())

    def _take(self) -> list[tuple[Row, "asyncio.Future[bool]"]]:
        number, size = 0, 0
        for row, _ in self._waiting[:MOST_ROWS]:
            size += len(row.body)
            if number and size > MOST_BYTES:
                break
            number += 1
        group, self._waiting = self._waiting[:number], self._waiting[number:]
        return group


def _settle(group: list[tuple[Row, "asyncio.Future[bool]"]], results: Sequence[bool | Exception]) -> None:
    for (_, written), result in zip(group, results, strict=True):
        if written.done():
            continue  # the agent hung up meanwhile
        if isinstance(result, Exception):
            written.set_exception(result)
        else:
            written.set_result(result)


async def _write(rows: list[Row]) -> list[bool]:
    """Which of `rows` are committed now. Of two with one number in one group, the first is."""
    columns = [
        [row.agent_id for row in rows],
        [row.public_key for row in rows],
        [row.sequence for row in rows],
        [row.body for row in rows],
        [row.encoding for row in rows],
        [row.digest for row in rows],
        [row.signature for row in rows],
        [row.received_at for row in rows],
        [row.records for row in rows],
    ]
    async with (await pool.pool()).connection() as connection:
        inserted = set(await (await connection.execute(INSERT, columns)).fetchall())
    taken = []
    for row in rows:
        key = (row.agent_id, row.sequence, row.digest)
        taken.append(key in inserted)
        inserted.discard(key)
    return taken
