"""Asynchronous database connections of the hot door, made when the first batch comes."""

import asyncio
from weakref import WeakKeyDictionary

from django.db import connections
from psycopg_pool import AsyncConnectionPool

MOST = 8
WAIT_SECONDS = 2.0

_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnectionPool]" = WeakKeyDictionary()


async def pool() -> AsyncConnectionPool:
    """The pool of this event loop, on the database that Django uses (a test's own, in tests)."""
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        _pools[loop] = made = AsyncConnectionPool(
            kwargs={**_parameters(), "autocommit": True},
            min_size=1,
            max_size=MOST,
            timeout=WAIT_SECONDS,
            reconnect_timeout=5,
            check=None,
            open=False,
            name="hot-door",
        )
        await made.open(wait=False)
    return _pools[loop]


async def close() -> None:
    """This event loop's connections are given back."""
    if made := _pools.pop(asyncio.get_running_loop(), None):
        await made.close()


async def keep() -> None:
    """Runs beside the requests of one web process, and gives the connections back at its end."""
    try:
        await asyncio.Event().wait()
    finally:
        await close()


def _parameters() -> dict[str, object]:
    """What Django itself would connect with, without its own adapters and cursor."""
    given = connections["default"].get_connection_params()
    return {name: value for name, value in given.items() if name not in ("context", "cursor_factory")}
