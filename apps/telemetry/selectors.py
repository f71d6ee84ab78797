"""Reads about processes and their connections, for many at once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from apps.core.bulk import rows
from apps.telemetry.flows import Flow, FlowOwner

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


SEEN_LATE_S = 6.0  # sensors look every two seconds, and for the owner three times
NAT_WITHIN = timedelta(days=1)  # one end alone says nothing of connections that are older

# Times of a host are by its own clock; one that is more than five minutes off is not listened to at all.
_ASKED = """
unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::float8[])
       WITH ORDINALITY AS s(host_id, proto, local, remote, at, slack, place)
"""
_FITTING = """
  JOIN telemetry_process p ON p.id = c.process_id
  LEFT JOIN fleet_hostagent g ON g.host_id = c.host_id AND g.state = 'active'
 CROSS JOIN LATERAL (SELECT make_interval(secs => COALESCE(g.clock_offset_ms, 0) / 1000) AS ahead,
                            make_interval(secs => s.slack) AS slack) k
 WHERE (s.proto = '' OR c.proto = s.proto) AND (s.host_id IS NULL OR c.host_id = s.host_id)
   AND c.opened_at - k.ahead <= s.at + k.slack + make_interval(secs => %s)
   AND (c.closed_at IS NULL OR c.closed_at - k.ahead >= s.at - k.slack)
"""
# Of each host the latest: a port is used again.
BOTH_ENDS = """
SELECT DISTINCT ON (s.place, c.host_id) s.place, c.id, c.host_id, c.process_id, COALESCE(p.run_id, c.run_id)
  FROM {asked}
 CROSS JOIN LATERAL (
       SELECT * FROM telemetry_connection
        WHERE local = s.local AND remote = s.remote AND remote <> ''
          AND opened_at <= s.at + interval '310 seconds'
        ORDER BY opened_at DESC LIMIT 100) c
{fitting}
 ORDER BY s.place, c.host_id, c.opened_at DESC
"""
# The newest connections to that end alone: a peer of everybody must not be read from its beginning.
FAR_END = """
SELECT DISTINCT ON (s.place, c.process_id) s.place, c.id, c.host_id, c.process_id,
       COALESCE(p.run_id, c.run_id)
  FROM {asked}
 CROSS JOIN LATERAL (
       SELECT * FROM telemetry_connection
        WHERE remote = s.remote AND remote <> '' AND opened_at <= s.at + interval '310 seconds'
          AND opened_at >= s.at - make_interval(secs => %s)
        ORDER BY opened_at DESC LIMIT 200) c
{fitting}
 ORDER BY s.place, c.process_id, c.opened_at DESC
"""
Ask = tuple[int | None, str, str, str, datetime, float]  # the columns of _ASKED


def flow_owners(flows: Sequence[Flow]) -> dict[int, FlowOwner]:
    """By place in `flows`: the connection that the flow was, with its process and run.

    Both ends have to agree, and the end that began it goes before the other. Where only the far one does
    (something on the way has translated the addresses), the owner is who was connected to it at that time,
    if nobody else was. What is ambiguous has no owner.
    """
    asks: dict[int, list[Ask]] = {
        place: [
            (flow.host_id, flow.proto, near, far, flow.at, flow.slack_s)
            for near, far in ((flow.source, flow.target), (flow.target, flow.source))
        ]
        for place, flow in enumerate(flows)
    }
    both = _owners(BOTH_ENDS, [ask for pair in asks.values() for ask in pair], exact=True)
    found = {place: owner for place, pair in asks.items() if (owner := _first(pair, both))}
    # One end alone is asked once a second: a burst of alerts about one peer is one question.
    left = {place: [_coarse(ask) for ask in pair] for place, pair in asks.items() if place not in found}
    far = _owners(FAR_END, [ask for pair in left.values() for ask in pair], exact=False)
    return found | {place: owner for place, pair in left.items() if (owner := _first(pair, far))}


def _owners(sql: str, asks: Iterable[Ask], *, exact: bool) -> dict[Ask, FlowOwner]:
    """Who it was for each of `asks`, where only one comes into question."""
    wanted = list(dict.fromkeys(asks))
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    bounds = [SEEN_LATE_S] if exact else [NAT_WITHIN.total_seconds(), SEEN_LATE_S]
    found: dict[int, list[FlowOwner]] = {}
    for place, pk, host, process, of in rows(sql.format(asked=_ASKED, fitting=_FITTING), [*columns, *bounds]):
        found.setdefault(place - 1, []).append(FlowOwner(pk, host, process, of, exact))
    return {wanted[place]: owners[0] for place, owners in found.items() if len(owners) == 1}


def _first(pair: Sequence[Ask], found: Mapping[Ask, FlowOwner]) -> FlowOwner | None:
    return next((found[ask] for ask in pair if ask in found), None)


def _coarse(ask: Ask) -> Ask:
    host, proto, _, far, at, slack = ask
    return host, proto, "", far, at.replace(microsecond=0), slack + 1


CLOSE_S = 5.0  # how far apart the clocks of a sensor and of a host may be where a pid tells who it was

ALIVE = """
SELECT s.place, p.id, p.run_id
  FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) WITH ORDINALITY AS s(host_id, pid, at, place)
 CROSS JOIN LATERAL (
       SELECT id, run_id, ended_at FROM telemetry_process p
        WHERE p.host_id = s.host_id AND p.pid = s.pid AND p.started_at <= s.at + make_interval(secs => %s)
        ORDER BY p.started_at DESC LIMIT 1) p
 WHERE p.ended_at IS NULL OR p.ended_at >= s.at - make_interval(secs => %s)
"""


def alive_at(wanted: Sequence[tuple[int, int, datetime]]) -> dict[int, tuple[int, int | None]]:
    """By place in `wanted` (host, pid, time): id and run of the process that had that pid then."""
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {place - 1: (pk, run) for place, pk, run in rows(ALIVE, [*columns, CLOSE_S, CLOSE_S])}


CONTAINED = """
SELECT s.place, min(p.run_id)
  FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS s(host_id, container, at, place)
 CROSS JOIN LATERAL (
       SELECT run_id, cgroup FROM telemetry_process p
        WHERE p.host_id = s.host_id AND p.started_at <= s.at + make_interval(secs => %s)
        ORDER BY p.started_at DESC LIMIT 5000) p
 WHERE p.run_id IS NOT NULL AND position(s.container IN p.cgroup) > 0
 GROUP BY s.place HAVING count(DISTINCT p.run_id) = 1
"""


def runs_of_containers(wanted: Sequence[tuple[int, str, datetime]]) -> dict[int, int]:
    """By place in `wanted` (host, id of a container, time): the run whose processes are in it."""
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {place - 1: run for place, run in rows(CONTAINED, [*columns, CLOSE_S])}
