"""What host agents say about themselves while they run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.core.jsontext import storable_json
from apps.core.text import storable
from apps.fleet.models import HostAgent


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of an agent in a lot."""

    agent_id: int
    sensors: dict[str, Any]
    spool: dict[str, Any]
    offset_ms: float | None  # host minus server
    error_ms: float | None
    version: str


def keep_beat(beat: Beat) -> bool:
    """The agent's state is the one it told last; True when a sensor now says something else than before."""
    sensors = storable_json(beat.sensors)
    agents = HostAgent.objects.filter(pk=beat.agent_id)
    before = agents.values_list("sensors", flat=True).first()
    agents.update(
        sensors=sensors,
        spool=storable_json(beat.spool),
        clock_offset_ms=beat.offset_ms,
        clock_error_ms=beat.error_ms,
        version=storable(beat.version, limit=32),
    )
    return bool(before != sensors)


def note_batches(agent_id: int, *, sequence: int, seen_at: datetime) -> None:
    """The agent was heard, up to that batch."""
    agent = HostAgent.objects.filter(pk=agent_id)
    agent.update(last_seen_at=seen_at)
    agent.filter(last_sequence__lt=sequence).update(last_sequence=sequence)
