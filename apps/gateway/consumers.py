"""The host agents' bell, `/agent/v1/bell`: it says "look", never what to do; orders are pulled and signed."""

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
RING = json.dumps({"bell": "orders"})


class BellConsumer(AsyncWebsocketConsumer):
    """One host agent's socket. Rings in a burst become one: the agent pulls everything that is pending."""

    agent_id: int | None = None
    ringer: asyncio.Task[None] | None = None

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
        self.agent_id, self.rung = agent.pk, asyncio.Event()
        await self.accept()
        await self._say(bell="hello", server_time_ms=time.time_ns() // 1_000_000)
        self.rung.set()  # what was ordered while the agent was away
        hub.current().hang(f"orders:{agent.pk}", self.rung.set)
        presence.beat(agent.pk, self)
        self.ringer = asyncio.create_task(self._ring_for_ever())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        beat = parsed(text_data).get("beat")
        if is_number(beat) and self.agent_id is not None:
            presence.beat(self.agent_id, self)
            await self._say(beat=beat, server_time_ms=time.time_ns() // 1_000_000)

    async def disconnect(self, code: int) -> None:
        if self.agent_id is not None:
            hub.current().unhang(f"orders:{self.agent_id}", self.rung.set)
            presence.left(self.agent_id, self)
        if self.ringer:
            self.ringer.cancel()

    async def turn_away(self) -> None:
        """The agent was revoked while its socket was open."""
        with contextlib.suppress(OSError):
            await self.close(REVOKED)

    async def _ring_for_ever(self) -> None:
        with contextlib.suppress(OSError):
            while await self.rung.wait():
                self.rung.clear()
                await self.send(RING)

    async def _say(self, **message: Any) -> None:
        await self.send(json.dumps(message))
