"""Earlier alerts of which something new may tell more."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from apps.attribution.selectors.cases import Subject
from apps.core.bulk import rows
from apps.telemetry.flows import read_flow

SPAN_OF = """
SELECT run_id, host_id, min(started_at), max(COALESCE(ended_at, now()))
  FROM telemetry_toolcall WHERE id = ANY(%s) GROUP BY run_id, host_id
"""


class Around(NamedTuple):
    """Tool calls of one run on one host, from the first start to the last end."""

    run_id: int | None
    host_id: int | None
    first: datetime
    last: datetime


def span_of(calls: Sequence[int]) -> list[Around]:
    """Runs and hosts of these tool calls, and from when to when they were open."""
    return [Around(*row) for row in rows(SPAN_OF, [list(calls)])]


# The latest alerts of a place alone: a run with a million of them must not be read for one tool call.
UNSETTLED = """
SELECT a.id, a.host_id, a.run_id, a.process_id, a.occurred_at, g.clock_error_ms, a.detail->>'flow'
  FROM unnest(%s::bigint[]) AS place(id)
 CROSS JOIN LATERAL (
       SELECT id, host_id, run_id, process_id, occurred_at, detail FROM detection_alert
        WHERE {column} = place.id ORDER BY id DESC LIMIT 2000) a
  JOIN attribution_attribution t ON t.alert_id = a.id AND t.superseded_at IS NULL
  LEFT JOIN fleet_hostagent g ON g.host_id = a.host_id AND g.state = 'active'
 WHERE a.occurred_at BETWEEN %s AND %s AND t.strength < %s AND a.id <> ALL(%s)
 ORDER BY a.id DESC LIMIT %s
"""
# Few by nature: alerts of sensors on the wire whose connection no host has reported.
UNOWNED = """
SELECT a.id, a.host_id, a.run_id, a.process_id, a.occurred_at, g.clock_error_ms, a.detail->>'flow'
  FROM detection_alert a
  LEFT JOIN fleet_hostagent g ON g.host_id = a.host_id AND g.state = 'active'
 WHERE a.process_id IS NULL AND a.detail ? 'flow' AND a.occurred_at BETWEEN %s AND %s AND a.id <> ALL(%s)
 ORDER BY a.occurred_at DESC LIMIT %s
"""


def unsettled(
    place: str,
    ids: Iterable[int],
    *,
    first: datetime,
    last: datetime,
    below: int,
    apart: list[int],
    most: int,
) -> list[Subject]:
    """Alerts of those runs (or hosts) in that time attributed more weakly than `below`, but for `apart`."""
    sql = UNSETTLED.format(column={"run": "run_id", "host": "host_id"}[place])
    return [_again(row) for row in rows(sql, [list(ids), first, last, below, apart, most])]


def unowned(*, first: datetime, last: datetime, apart: list[int], most: int) -> list[Subject]:
    """Alerts from the wire in that time of which no process is known, but for `apart`."""
    return [_again(row) for row in rows(UNOWNED, [first, last, apart, most])]


def _again(row: tuple[Any, ...]) -> Subject:
    pk, host, run, process, at, error, told = row
    flow = read_flow(msgspec.json.decode(told), host_id=None, at=at) if told else None
    return Subject(pk, host, run, process, at, error, flow=flow)
