"""Which host agents hold the bell, told to the database in one statement for all of them.

Heartbeats come through the inbox, and the inbox waits when the broker is away; whether a host can be
reached with an order has to be known all the same.
"""

import asyncio
import logging
import time
from typing import Protocol

from channels.db import database_sync_to_async
from django.utils import timezone

from apps.fleet.choices import AgentState
from apps.fleet.models import HostAgent

SECONDS = 5.0
BEAT_SECONDS = 15.0  # an agent beats every ten; a socket that is silent for longer proves nothing
log = logging.getLogger(__name__)


class Socket(Protocol):
    """What presence needs of a bell's socket."""

    async def turn_away(self) -> None: ...


_here: dict[int, dict[Socket, float]] = {}  # agent id: its sockets, with the time of their last beat


def beat(agent_id: int, socket: Socket) -> None:
    """The agent was heard on `socket` just now."""
    _here.setdefault(agent_id, {})[socket] = time.monotonic()


def left(agent_id: int, socket: Socket) -> None:
    """The agent's `socket` is gone."""
    sockets = _here.get(agent_id, {})
    sockets.pop(socket, None)
    if not sockets:
        _here.pop(agent_id, None)


def heard() -> list[int]:
    """The agents whose bell beats."""
    since = time.monotonic() - BEAT_SECONDS
    return [agent_id for agent_id, sockets in _here.items() if max(sockets.values()) > since]


async def keep() -> None:
    """For ever: agents at the bell count as seen, and those that may not be here any more are sent away."""
    while True:
        await asyncio.sleep(SECONDS)
        try:
            for agent_id in await database_sync_to_async(mark_seen, thread_sensitive=False)(heard()):
                for socket in list(_here.get(agent_id, ())):
                    await socket.turn_away()
        except Exception:
            log.exception("host agents at the bell could not be marked as seen")


def mark_seen(ids: list[int]) -> list[int]:
    """Active agents among `ids` are seen now; returns those that are not active."""
    if not ids:
        return []
    agents = HostAgent.objects.filter(pk__in=ids)
    agents.filter(state=AgentState.ACTIVE).update(last_seen_at=timezone.now())
    return list(agents.exclude(state=AgentState.ACTIVE).values_list("pk", flat=True))
