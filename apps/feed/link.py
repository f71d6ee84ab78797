"""The hub's own database link: asynchronous, in autocommit, listening to the bell."""

import asyncio
from typing import Any

import psycopg
from django.db import connection as django_connection

from apps.feed.frames import Row
from apps.feed.services import CHANNEL

TIMEOUT = 5.0  # a server that accepts and then says nothing counts as gone
PAGE = 1_000
Connection = psycopg.AsyncConnection[Any]
_COLUMNS = "SELECT id, kind, topics, subject_kind, subject_id, by, at, detail FROM feed_feedentry"


async def connect() -> Connection:
    """A new link to the database of Django's settings."""
    given = django_connection.get_connection_params()
    wanted = {
        name: given[name] for name in given if name not in ("cursor_factory", "context", "prepare_threshold")
    }
    wanted |= {"application_name": "sentinel feed", "connect_timeout": int(TIMEOUT)}
    return await psycopg.AsyncConnection.connect(autocommit=True, **wanted)


async def listen(connection: Connection) -> None:
    """Rings are kept for this link from here on."""
    await connection.execute(f"LISTEN {CHANNEL}".encode())


async def rung(connection: Connection, *, timeout: float) -> list[str]:
    """What was rung, in its order, as soon as anything was; nothing after `timeout` seconds."""
    return [note.payload async for note in connection.notifies(timeout=timeout, stop_after=1)]


async def newest(connection: Connection, limit: int) -> list[Row]:
    """The newest entries, oldest of them first."""
    rows = await _rows(connection, f"{_COLUMNS} ORDER BY id DESC LIMIT %s", [limit])
    return rows[::-1]


async def after(connection: Connection, last: int) -> list[Row]:
    """The next entries after `last`."""
    return await _rows(connection, f"{_COLUMNS} WHERE id > %s ORDER BY id LIMIT %s", [last, PAGE])


async def _rows(connection: Connection, query: str, values: list[int]) -> list[Row]:
    async with asyncio.timeout(TIMEOUT):
        cursor = await connection.execute(query.encode(), values)
        return await cursor.fetchall()
