"""The browser's socket, `/ws/feed/`: what changed since the page was made, and then as it changes.

The page says      {"subscribe": [topics], "cursor": n or null} (again to change topics), {"ping": t}.
The server says    {"hello": "sentinel-feed/1", "cursor": n, "server_ms": ms}, then what the page missed,
then live          {"entries": [{id, kind, topics, subject: [kind, id], by, at_ms, detail}], "cursor": n,
                   "lag_ms": ms},
                   {"resync": true, "cursor": n}: entries were left out, fetch the page anew,
every two seconds  {"beat": ms, "server_ms": ms, "link": bool, "cursor": n, "lag_ms": ms}: `link` is whether
                   the server itself hears what changes; a page without beats or with `link: false` is stale,
on a ping          {"pong": t, "server_ms": ms, "lag_ms": ms}.
It closes with 4400 (not understood), 4401 (not signed in), 4403 (not allowed), 1012 (restarting: come back).

A page reads its cursor before its own queries: snapshot + entries after the cursor = fresh snapshot.
"""

import asyncio
import contextlib
import json
import math
import re
from typing import Any, TypeGuard, cast

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.feed import frames, hub
from apps.feed.seat import Seat

TOPIC = re.compile(r"queue|fleet|audit|(incident|run|order):[1-9][0-9]{0,17}")
MAX_TOPICS = 20
MAX_TEXT = 4_096
BAD, SIGNED_OUT, FORBIDDEN = 4400, 4401, 4403


class FeedConsumer(AsyncWebsocketConsumer):
    """Mechanics of the socket. Who may see what is said by the door that subclasses it."""

    seat: Seat | None = None
    pump: asyncio.Task[None] | None = None

    async def refusal(self, topics: frozenset[str]) -> int | None:
        """The close code if whoever is at the other end may not see `topics`."""
        raise NotImplementedError

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As in Channels, without a thread hop for every message: nothing here leaves a connection open."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        # Accepted first: a browser is told the close code of an open socket only.
        await self.accept()
        if code := await self.refusal(frozenset()):
            await self.close(code)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message = parsed(text_data)
        if is_number(message.get("ping")):
            await self.send(frames.pong(message["ping"], lag_ms=hub.current().lag_ms))
            return
        topics, cursor = message.get("subscribe"), message.get("cursor")
        if not known(topics) or not (cursor is None or (type(cursor) is int and cursor >= 0)):
            await self.close(BAD)
        elif code := await self.refusal(frozenset(topics)):
            await self.close(code)
        else:
            await self._sit(frozenset(topics), cursor)

    async def disconnect(self, code: int) -> None:
        self._stand_up()

    async def _sit(self, topics: frozenset[str], cursor: int | None) -> None:
        self._stand_up()
        self.seat = await hub.current().join(topics, cursor=cursor)
        self.pump = asyncio.create_task(self._pump(self.seat))

    def _stand_up(self) -> None:
        if self.pump:
            self.pump.cancel()
        if self.seat:
            hub.current().leave(self.seat)
        self.seat = self.pump = None

    async def _pump(self, seat: Seat) -> None:
        with contextlib.suppress(OSError):  # the other end went: `disconnect` follows
            while True:
                await self.base_send({"type": "websocket.send", "text": await seat.next()})

    async def turn_away(self, code: int) -> None:
        """Nothing more is sent to whoever may not be here any more."""
        self._stand_up()
        with contextlib.suppress(OSError):
            await self.close(code)


def parsed(text: str | None) -> dict[str, Any]:
    """The message, or an empty one where it is not an object of reasonable size."""
    if not text or len(text) > MAX_TEXT:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a number that JSON can carry back."""
    return type(value) in (int, float) and math.isfinite(cast(float, value))


def known(topics: object) -> TypeGuard[list[str]]:
    """Whether this is a list of topics that exist."""
    return (
        isinstance(topics, list)
        and 0 < len(topics) <= MAX_TOPICS
        and all(isinstance(topic, str) and TOPIC.fullmatch(topic) for topic in topics)
    )
