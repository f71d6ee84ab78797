"""The host agents' bell, `/agent/v1/bell`: it says that there is something to fetch, or brings it along.

What it brings is the same signed text that waits at `/agent/v1/orders`, and is judged in the same way.
Nothing depends on it: an order that was not heard here, or was too long for the bell, is fetched.
"""

import asyncio
import contextlib
import json
import time
from typing import Any

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.feed import hub
from apps.feed.consumers import is_number, parsed
from apps.gateway import auth, presence
from apps.gateway.auth import RefusedError
from hostagent import protocol

REVOKED = 4403
LOOK = json.dumps({"bell": "orders"})
MOST_CALLS = 8  # beyond it the agent fetches them all


class BellConsumer(AsyncWebsocketConsumer):
    """One host agent's socket."""

    agent_id: int | None = None
    ringer: asyncio.Task[None] | None = None
    calls: dict[str, None]  # frames to send, each once

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As in Channels, without a thread hop for every beat."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        try:
            agent = await database_sync_to_async(auth.agent_of, thread_sensitive=False)(
                method="GET",
                path=protocol.PATH_BELL,
                headers=auth.headers_of(self.scope["headers"]),
                body=b"",
            )
        except RefusedError:
            await self.close()  # before the accept: the handshake is answered with 403
            return
        self.agent_id, self.rung, self.calls = agent.pk, asyncio.Event(), {}
        await self.accept()
        await self._say(bell="hello", server_time_ms=time.time_ns() // 1_000_000)
        self.ring()  # what was ordered while the agent was away
        hub.current().hang(f"orders:{agent.pk}", self.ring)
        presence.beat(agent.pk, self)
        self.ringer = asyncio.create_task(self._ring_for_ever())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        beat = parsed(text_data).get("beat")
        if is_number(beat) and self.agent_id is not None:
            presence.beat(self.agent_id, self)
            await self._say(beat=beat, server_time_ms=time.time_ns() // 1_000_000)

    async def disconnect(self, code: int) -> None:
        if self.agent_id is not None:
            hub.current().unhang(f"orders:{self.agent_id}", self.ring)
            presence.left(self.agent_id, self)
        if self.ringer:
            self.ringer.cancel()

    async def turn_away(self) -> None:
        """The agent was revoked while its socket was open."""
        with contextlib.suppress(OSError):
            await self.close(REVOKED)

    def ring(self, order: str = "") -> None:
        """The agent is told; with the signed order as JSON, if it was handed over."""
        if len(self.calls) >= MOST_CALLS:
            self.calls.clear()
            order = ""
        self.calls[brought(order) if order else LOOK] = None
        self.rung.set()

    async def _ring_for_ever(self) -> None:
        with contextlib.suppress(OSError):
            while await self.rung.wait():
                self.rung.clear()
                calls, self.calls = self.calls, {}
                for call in calls:
                    await self.send(call)

    async def _say(self, **message: Any) -> None:
        await self.send(json.dumps(message))


def brought(order: str) -> str:
    """The frame that brings one signed order; that to look where the text is none."""
    try:
        signed = json.loads(order)
        one = {"payload": str(signed["payload"]), "signature": str(signed["signature"])}
    except (ValueError, TypeError, LookupError):
        return LOOK
    return json.dumps({"bell": "orders", "orders": [one]})
