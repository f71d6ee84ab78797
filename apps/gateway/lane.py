"""The kill path's short way in: orders and receipts, answered beside Django's middleware.

A stop makes three of these requests and has tens of milliseconds in all. They need no session, no cookie and
no policy for browsers; they are answered on a few threads of their own that keep their database connection,
so that pages under load do not stand in the way of a stop either.
"""

import asyncio
import contextvars
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import Error, InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

from apps.core import requestid
from apps.gateway import auth, orders, receipts
from apps.gateway.auth import RefusedError
from apps.gateway.door import App, Receive, Scope, Send
from hostagent import protocol

Answer = tuple[int, dict[str, Any]]
T = TypeVar("T")

THREADS = 6
MOST_BODY_BYTES = 4 * 1024 * 1024
MOST_HELD_BYTES = 64 * 1024 * 1024  # of bodies under way, all requests together
DOORS = {
    protocol.PATH_ORDERS: ("GET", orders.answer),
    protocol.PATH_RECEIPTS: ("POST", receipts.answer),
}
log = logging.getLogger(__name__)


class Lane:
    """Answers `GET /agent/v1/orders` and `POST /agent/v1/receipts`; everything else goes on to `app`."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kill-path")
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in DOORS:
            await self.app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._read(receive, body)
            status, value = await self._answer(scope, bytes(body))
        except RefusedError as refused:
            status, value = refused.status, refused.body()
        except ConnectionError:
            return  # the agent hung up; it asks again
        finally:
            self._held -= len(body)
        await _send(send, status, value)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            part = message.get("body", b"")
            if len(body) + len(part) > MOST_BODY_BYTES:
                raise RefusedError(413, "too-large", f"At most {MOST_BODY_BYTES:,} bytes at a time.")
            if self._held + len(part) > MOST_HELD_BYTES:
                raise RefusedError(503, "busy", "Too much is under way; send it again soon.", retry_after=1)
            self._held += len(part)
            body += part
            more = message.get("more_body", False)

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        headers = auth.headers_of(scope["headers"])
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, context.run, answered, scope["method"], scope["path"], headers, body
        )


def answered(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """The answer to one signed request, committed; or the refusal as one."""
    wanted, answer = DOORS[path]
    try:
        if method != wanted:
            raise RefusedError(405, "method", f"This is asked with {wanted}.")
        requestid.begin()
        agent = _again(lambda: auth.agent_of(method=method, path=path, headers=headers, body=body))
        return _again(lambda: answer(agent, body))
    except RefusedError as refused:
        return refused.status, refused.body()
    except Error as error:
        log.warning("orders and receipts cannot be answered: %s", type(error).__name__)
        away = RefusedError(503, "database-away", "The database is away; ask again.", retry_after=1)
        return away.status, away.body()


def _again(ask: Callable[[], T]) -> T:
    """What `ask` answers; asked a second time on a new connection where the kept one had died.

    Both answers may be given twice: asking changes nothing, and a receipt is taken once.
    """
    try:
        return ask()
    except (OperationalError, InterfaceError) as error:
        if isinstance(error.__cause__, PoolTimeout):
            raise  # waited long enough
        connection.close()
        return ask()


async def _send(send: Send, status: int, value: dict[str, Any]) -> None:
    content = json.dumps(value).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
