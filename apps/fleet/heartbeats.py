"""What host agents say about themselves while they run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.core.addresses import plain_address
from apps.core.bulk import run
from apps.core.jsontext import storable_json
from apps.core.text import storable
from apps.fleet.models import HostAgent

MOST_ADDRESSES = 64


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of an agent in a lot."""

    agent_id: int
    sensors: dict[str, Any]
    spool: dict[str, Any]
    offset_ms: float | None  # host minus server
    error_ms: float | None
    version: str
    addresses: Sequence[Any] = ()


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
        addresses=[plain for told in beat.addresses[:MOST_ADDRESSES] if (plain := plain_address(told))],
    )
    return bool(before != sensors)


HEARD = """
UPDATE fleet_hostagent a
   SET last_seen_at = GREATEST(a.last_seen_at, s.seen_at),
       last_sequence = GREATEST(a.last_sequence, s.sequence)
  FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS s(id, sequence, seen_at) WHERE a.id = s.id
"""


def note_heard(heard: Mapping[int, tuple[int, datetime]]) -> None:
    """Each agent was heard up to that sequence, at that time."""
    agents = sorted(heard)
    run(HEARD, [agents, [heard[pk][0] for pk in agents], [heard[pk][1] for pk in agents]])
