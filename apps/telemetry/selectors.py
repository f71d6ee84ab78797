"""Reads about processes and their connections, for many at once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from apps.core.bulk import rows

RECENT = timedelta(seconds=60)
MOST_TARGETS = 2_000


MISSING = """
SELECT a.id, s.sequence - a.last_sequence - 1
             - (SELECT count(*) FROM telemetry_batch b
                 WHERE b.agent_id = a.id AND b.sequence > a.last_sequence AND b.sequence < s.sequence)
  FROM unnest(%s::bigint[], %s::bigint[]) AS s(id, sequence) JOIN fleet_hostagent a ON a.id = s.id
 WHERE a.last_sequence > 0 AND s.sequence > a.last_sequence + 1
"""


def missing_numbers(reached: Mapping[int, int]) -> dict[int, int]:
    """How many batches of each agent never came, of those between the last one known and `reached`.

    Agents number without holes and send in order, so a hole is a batch that somebody took out.
    """
    found = rows(MISSING, [list(reached), list(reached.values())]) if reached else []
    return {agent: number for agent, number in found if number > 0}


class Parent(NamedTuple):
    """What a child inherits from the process above it."""

    argv: str  # JSON text
    run_id: int | None
    traceparent: str = ""


PARENTS = """
SELECT s.place, p.argv::text, p.run_id, p.traceparent
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
       WITH ORDINALITY AS s(host_id, pid, ticks, started_at, place)
 CROSS JOIN LATERAL (
       SELECT argv, run_id, traceparent, ended_at FROM telemetry_process p
        WHERE p.host_id = s.host_id AND p.pid = s.pid AND (p.start_ticks <= s.ticks OR s.ticks < 0)
        ORDER BY start_ticks DESC LIMIT 1) p
 WHERE p.ended_at IS NULL OR p.ended_at >= s.started_at - interval '1 second'
"""


def parents(children: Sequence[tuple[int, int, int, datetime]]) -> dict[int, Parent]:
    """By place in `children` (host, parent's pid, start of the child in ticks and in time): who that was.

    One that had ended before the child started was not it: its number was given to another.
    """
    if not children:
        return {}
    columns = [list(column) for column in zip(*children, strict=True)]
    return {place - 1: Parent(*rest) for place, *rest in rows(PARENTS, columns)}


NAMED = """
SELECT s.place, p.id, p.run_id
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) WITH ORDINALITY AS s(host_id, pid, ticks, place)
 CROSS JOIN LATERAL (
       SELECT id, run_id FROM telemetry_process p
        WHERE p.host_id = s.host_id AND p.pid = s.pid AND (s.ticks IS NULL OR p.start_ticks = s.ticks)
        ORDER BY start_ticks DESC LIMIT 1) p
"""


def named(wanted: Sequence[tuple[int, int, int | None]]) -> dict[int, tuple[int, int | None]]:
    """By place in `wanted` (host, pid, start time): id and run of that process; the latest, without one."""
    if not wanted:
        return {}
    hosts, pids, ticks = (list(column) for column in zip(*wanted, strict=True))
    return {place - 1: (pk, run) for place, pk, run in rows(NAMED, [hosts, pids, ticks])}


class Owner(NamedTuple):
    """Who owns a socket, and what it is connected to besides."""

    argv: str  # JSON text
    exe: str
    cgroup: str
    remotes: list[str]


OWNERS = """
SELECT p.id, p.argv::text, p.exe, p.cgroup,
       ARRAY(SELECT c.remote FROM telemetry_connection c
              WHERE c.process_id = p.id AND c.closed_at IS NULL AND c.remote <> '' LIMIT 64)
  FROM telemetry_process p WHERE p.id = ANY(%s)
"""


def owners(processes: Iterable[int]) -> dict[int, Owner]:
    """The owners of sockets by id."""
    wanted = list(processes)
    return {pk: Owner(*rest) for pk, *rest in rows(OWNERS, [wanted])} if wanted else {}


OPENED_SINCE = """
SELECT count(DISTINCT c.local) FROM telemetry_connection c, telemetry_connection before
 WHERE before.id = %s AND c.process_id = %s AND c.id > before.id AND c.remote = before.remote
"""


def opened_since(process: int, connection: int) -> int:
    """How many connections to the same peer the process opened after `connection`."""
    return int(rows(OPENED_SINCE, [connection, process])[0][0])


TARGETS = """
SELECT c.process_id, c.remote FROM telemetry_connection c
 WHERE c.process_id = ANY(%s) AND c.remote <> '' AND c.opened_at BETWEEN %s AND %s LIMIT %s
"""
RUN_TARGETS = """
SELECT c.run_id, p.cgroup, c.remote
  FROM telemetry_connection c JOIN telemetry_process p ON p.id = c.process_id
 WHERE c.run_id = ANY(%s) AND c.remote <> '' AND c.opened_at BETWEEN %s AND %s LIMIT %s
"""


def recent_targets(
    processes: Iterable[int], runs: Iterable[int], *, first: datetime, last: datetime
) -> tuple[dict[int, set[str]], dict[tuple[int, str], set[str]]]:
    """What was tried in the minute before: by process, and by run and cgroup."""
    since = first - RECENT
    alone: dict[int, set[str]] = {}
    together: dict[tuple[int, str], set[str]] = {}
    if asked := list(processes):
        for process, remote in rows(TARGETS, [asked, since, last, MOST_TARGETS]):
            alone.setdefault(process, set()).add(remote)
    if of := list(runs):
        for run, cgroup, remote in rows(RUN_TARGETS, [of, since, last, MOST_TARGETS]):
            together.setdefault((run, cgroup), set()).add(remote)
    return alone, together
