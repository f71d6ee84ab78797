"""Everything that the attribution of a lot of alerts may rest on, in a handful of queries."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from apps.attribution.case import Call, Case, Kin, Neighbour
from apps.attribution.matchers.membership import inside
from apps.attribution.matchers.session import REMOTE
from apps.attribution.matchers.traceparent import parse
from apps.core.bulk import rows
from apps.fleet.choices import AgentState
from apps.fleet.models import HostAgent
from apps.fleet.selectors import RunBook
from apps.telemetry.flows import Flow, FlowOwner
from apps.telemetry.models import ToolCall
from apps.telemetry.selectors import flow_owners

GENERATIONS = 16
BEFORE = timedelta(seconds=600)
LONGEST_CALL = timedelta(days=1)
MOST_CALLS = 2_000  # of one lot of alerts
MOST_A_CASE = 32  # the latest that had begun; older ones are named by trace context or not at all
LONGEST_ARGUMENTS = 16_384
LATEST_PROCESSES = 2_000  # of a host, among which neighbours are looked for
WATCHERS = ("processes", "sockets")


@dataclass(frozen=True, slots=True)
class Subject:
    """An alert to be attributed."""

    alert_id: int
    host_id: int
    run_id: int | None
    process_id: int | None
    occurred_at: datetime
    clock_error_ms: float | None = None
    own_call: int | None = None
    flow: Flow | None = None  # of an alert that comes from the wire


class Voice(NamedTuple):
    """What a host's agent says of itself."""

    ahead: float = 0.0  # seconds by which its clock is before the server's
    blind: tuple[str, ...] = ()


@dataclass(slots=True)
class Ground:
    """Everything that was read for a lot of alerts."""

    lines: dict[int, tuple[Kin, ...]]
    near: dict[tuple[str, int], "Near"]
    traced: dict[str, list["Located"]]
    own: dict[int, "Located"]
    voices: dict[int, Voice]
    held: dict[int, FlowOwner]  # by place in the lot
    around: dict[int, tuple[Neighbour, ...]]  # by process


class Located(NamedTuple):
    """A tool call and the host by whose clock it is told; None: by the server's, as far as anybody knows."""

    call: Call
    host_id: int | None


@dataclass(slots=True)
class Near:
    """The tool calls of one run or host, latest first."""

    calls: list[Located] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)  # minus their starts: ascending, to search in

    def add(self, located: Located) -> None:
        """The next earlier one."""
        self.calls.append(located)
        self.starts.append(-located.call.started_at)

    def begun(self, at: float) -> list[Located]:
        """The latest that had begun by `at`."""
        first = bisect_left(self.starts, -at)
        return self.calls[first : first + MOST_A_CASE]


LINES = """
WITH RECURSIVE line AS (
    SELECT id AS leaf, 0 AS step, id, host_id, pid, ppid, start_ticks, argv, exe, cgroup, marker,
           traceparent, run_id, executed_at, started_at, netns
      FROM telemetry_process WHERE id = ANY(%s)
    UNION ALL
    SELECT line.leaf, line.step + 1, p.id, p.host_id, p.pid, p.ppid, p.start_ticks, p.argv, p.exe, p.cgroup,
           p.marker, p.traceparent, p.run_id, p.executed_at, p.started_at, p.netns
      FROM line CROSS JOIN LATERAL (
           SELECT * FROM telemetry_process p
            WHERE p.host_id = line.host_id AND p.pid = line.ppid AND p.id <> line.id
              AND (p.start_ticks <= line.start_ticks OR line.start_ticks < 0)
            ORDER BY p.start_ticks DESC LIMIT 1) p
     -- One that had ended before was not the parent: its number was given to another.
     WHERE line.step < %s AND (p.ended_at IS NULL OR p.ended_at >= line.started_at - interval '1 second'))
SELECT leaf, id, pid, start_ticks, argv::text, exe, cgroup, marker, traceparent, run_id, executed_at, netns
  FROM line ORDER BY leaf, step
"""
PEERS = """
SELECT process_id, remote FROM telemetry_connection WHERE process_id = ANY(%s) AND remote <> '' LIMIT 500
"""


def cases(subjects: Sequence[Subject], *, book: RunBook) -> list[Case]:
    """One case for each of `subjects`, in their order."""
    held = _held(subjects)
    subjects = [_with_owner(subject, held.get(place)) for place, subject in enumerate(subjects)]
    lines = _lines({subject.process_id for subject in subjects if subject.process_id is not None})
    ground = Ground(
        lines=lines,
        near=_near(subjects),
        traced={},
        own=_own(subject.own_call for subject in subjects if subject.own_call is not None),
        voices=_voices({subject.host_id for subject in subjects}),
        held=held,
        around=_around(subjects, lines, book),
    )
    named = [kin.traceparent for line in lines.values() for kin in line]
    named += [one.traceparent for others in ground.around.values() for one in others]
    ground.traced = _traced(named)
    return [_case(subject, book, ground, ground.held.get(place)) for place, subject in enumerate(subjects)]


def _held(subjects: Sequence[Subject]) -> dict[int, FlowOwner]:
    """Who held the connections that alerts from the wire name, by place in the lot."""
    asked = [(place, subject.flow) for place, subject in enumerate(subjects) if subject.flow is not None]
    owners = flow_owners([flow for _, flow in asked]) if asked else {}
    return {asked[place][0]: owner for place, owner in owners.items()}


def _with_owner(subject: Subject, owner: FlowOwner | None) -> Subject:
    if owner is None or subject.process_id is not None:
        return subject
    run = subject.run_id if subject.run_id is not None else owner.run_id
    return replace(subject, process_id=owner.process_id, run_id=run, host_id=owner.host_id)


def _case(subject: Subject, book: RunBook, ground: Ground, owner: FlowOwner | None) -> Case:
    line = ground.lines.get(subject.process_id or 0, ())
    voice = ground.voices.get(subject.host_id, Voice())
    at = subject.occurred_at.timestamp() + (voice.ahead if subject.flow is not None else 0.0)
    run = book.by_id.get(subject.run_id) if subject.run_id is not None else None
    place = ("run", subject.run_id) if subject.run_id is not None else ("host", subject.host_id)
    begun = ground.near[place].begun(at + 1 + abs(voice.ahead)) if place in ground.near else []
    around = ground.around.get(subject.process_id or 0, ())
    traces = [parse(kin.traceparent) for kin in line] + [parse(one.traceparent) for one in around]
    named = [one for ids in traces if ids for one in ground.traced.get(ids[0], ())]
    asked = [ground.own[subject.own_call]] if subject.own_call in ground.own else []
    calls = {one.call.id: _on_clock(one, subject, ground.voices) for one in [*begun, *named, *asked]}
    return Case(
        occurred_at=at,
        run_id=subject.run_id,
        run_name=run.name if run else "",
        run_marker=run.marker if run else "",
        run_cgroup=(book.cgroup_of(run.pk, subject.host_id) or "") if run else "",
        clock_error_ms=subject.clock_error_ms,
        line=line,
        calls=tuple(calls.values()),
        own_call=subject.own_call,
        neighbours=around,
        flow=subject.flow,
        held=owner if owner and subject.process_id == owner.process_id else None,
        blind=voice.blind,
    )


def _on_clock(one: Located, subject: Subject, voices: dict[int, Voice]) -> Call:
    """The call in the time of the alert's host: two hosts' clocks are compared by way of the server's."""
    if one.host_id == subject.host_id:
        return one.call
    theirs = voices[one.host_id].ahead if one.host_id in voices else 0.0
    shift = voices.get(subject.host_id, Voice()).ahead - theirs
    if not shift:
        return one.call
    ended = one.call.ended_at
    return replace(
        one.call,
        started_at=one.call.started_at + shift,
        ended_at=None if ended is None else ended + shift,
    )


def _voices(hosts: set[int]) -> dict[int, Voice]:
    found = HostAgent.objects.filter(host__in=hosts, state=AgentState.ACTIVE)
    told = found.values_list("host_id", "clock_offset_ms", "sensors")
    return {host: Voice((offset or 0.0) / 1000, tuple(_blindness(sensors))) for host, offset, sensors in told}


def _blindness(sensors: Any) -> Iterable[str]:
    """Sentences about what the host's sensors did not see, from their own words."""
    for name in WATCHERS:
        told = sensors.get(name) if isinstance(sensors, dict) else None
        if not isinstance(told, dict):
            continue
        if not told.get("ok", True):
            yield f"The host's sensor of {name} was not working."
        elif told.get("mode") == "sweep":
            yield f"The host is looked at in intervals. {str(told.get('blind', ''))[:200]}".strip()


NEIGHBOURS = """
SELECT DISTINCT ON (leaf.id, p.traceparent) leaf.id, p.pid, p.traceparent, p.netns = leaf.netns
  FROM telemetry_process leaf
 CROSS JOIN LATERAL (
       SELECT id, pid, traceparent, netns, cgroup FROM telemetry_process
        WHERE host_id = leaf.host_id AND started_at <= leaf.started_at + interval '60 seconds'
        ORDER BY started_at DESC LIMIT %s) p
 WHERE leaf.id = ANY(%s) AND p.id <> leaf.id AND p.traceparent <> ''
   AND ((leaf.id = ANY(%s) AND p.netns = leaf.netns) OR (leaf.id = ANY(%s) AND p.cgroup = leaf.cgroup))
 LIMIT 500
"""


def _around(
    subjects: Sequence[Subject], lines: dict[int, tuple[Kin, ...]], book: RunBook
) -> dict[int, tuple[Neighbour, ...]]:
    """For processes in a place of their own and without trace context: who else is there and has one."""
    in_netns, in_cgroup = [], []
    for subject in subjects:
        line = lines.get(subject.process_id or 0, ())
        if not line or any(kin.traceparent for kin in line):
            continue
        outermost = next((kin.netns for kin in reversed(line) if kin.netns is not None), None)
        if line[0].netns is not None and line[0].netns != outermost:
            in_netns.append(subject.process_id)
        own = book.cgroup_of(subject.run_id, subject.host_id) if subject.run_id is not None else None
        if own and line[0].cgroup != own and inside(line[0].cgroup, own):
            in_cgroup.append(subject.process_id)
    if not (wanted := [*in_netns, *in_cgroup]):
        return {}
    found: dict[int, list[Neighbour]] = defaultdict(list)
    for leaf, pid, traceparent, netns in rows(NEIGHBOURS, [LATEST_PROCESSES, wanted, in_netns, in_cgroup]):
        place = "network namespace" if netns and leaf in in_netns else "cgroup"
        found[leaf].append(Neighbour(pid, traceparent, place))
    return {leaf: tuple(others) for leaf, others in found.items()}


def _lines(processes: Iterable[int]) -> dict[int, tuple[Kin, ...]]:
    """Each process with its ancestors, nearest first, as far as they were seen."""
    wanted = list(processes)
    if not wanted:
        return {}
    found = rows(LINES, [wanted, GENERATIONS])
    peers = _peers([row[1] for row in found if _is_session(row)])
    lines: dict[int, list[Kin]] = defaultdict(list)
    for leaf, pk, pid, ticks, argv, exe, cgroup, marker, traceparent, run_id, since, netns in found:
        far = tuple(peers.get(pk, ()))
        said = (_words(argv), exe, cgroup, marker, traceparent)
        kin = Kin(pid, ticks, *said, run_id, since.timestamp(), far, netns)
        lines[leaf].append(kin)
    return {leaf: tuple(line) for leaf, line in lines.items()}


def _words(argv: str) -> tuple[str, ...]:
    return tuple(str(word) for word in msgspec.json.decode(argv))


def _is_session(row: tuple[object, ...]) -> bool:
    return Kin(0, 0, _words(str(row[4])), str(row[5])).program in REMOTE


def _peers(processes: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for process, remote in rows(PEERS, [processes]) if processes else ():
        found[process].append(remote)
    return found


_FIELDS = (
    "pk",
    "trace_id",
    "span_id",
    "name",
    "arguments",
    "arguments_captured",
    "started_at",
    "ended_at",
    "run_id",
    "episode_id",
    "host_id",
    "known_from",
    "told_as_id",
    "sandbox__native_id",
)


def _call(row: tuple[Any, ...]) -> Located:
    pk, trace, span, name, arguments, captured, started, ended, *rest = row
    run, episode, host, known, told_as, sandbox = rest
    call = Call(
        id=told_as or pk,  # one call that is told in two rows is one
        trace_id=trace,
        span_id=span,
        name=name,
        arguments=arguments[:LONGEST_ARGUMENTS],
        captured=captured,
        started_at=started.timestamp(),
        ended_at=ended.timestamp() if ended else None,
        run_id=run,
        episode_id=episode,
        known_from=known,
        sandbox=sandbox or "",
    )
    return Located(call, host)


def _near(subjects: Sequence[Subject]) -> dict[tuple[str, int], Near]:
    """Tool calls by run (and by host, for alerts without one) around the alerts, latest first."""
    found: dict[tuple[str, int], Near] = {}
    for kind in ("run", "host"):
        of = [s for s in subjects if (s.run_id is not None) == (kind == "run")]
        if not of:
            continue
        ids = {s.run_id if kind == "run" else s.host_id for s in of}
        first, last = min(s.occurred_at for s in of), max(s.occurred_at for s in of)
        calls = ToolCall.objects.filter(
            told_as=None,
            **{f"{kind}_id__in": ids},
            started_at__lte=last + timedelta(seconds=1),
            started_at__gte=first - LONGEST_CALL,
        ).exclude(ended_at__lt=first - BEFORE)
        for row in calls.order_by("-started_at").values_list(f"{kind}_id", *_FIELDS)[:MOST_CALLS]:
            found.setdefault((kind, row[0]), Near()).add(_call(row[1:]))
    return found


def _traced(contexts: Iterable[str]) -> dict[str, list[Located]]:
    """Tool calls of every trace that a process names."""
    traces = {ids[0] for text in contexts if text and (ids := parse(text))}
    found: dict[str, list[Located]] = defaultdict(list)
    if traces:
        calls = ToolCall.every.filter(trace_id__in=traces).order_by("-started_at")
        for row in calls.values_list(*_FIELDS)[:MOST_CALLS]:
            found[row[1]].append(_call(row))
    return found


def _own(wanted: Iterable[int]) -> dict[int, Located]:
    ids = list(wanted)
    if not ids:
        return {}
    return {row[0]: _call(row) for row in ToolCall.every.filter(pk__in=ids).values_list(*_FIELDS)}
