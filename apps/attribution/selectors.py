"""Everything that the attribution of a lot of alerts may rest on, in a handful of queries."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from apps.attribution.case import Call, Case, Kin
from apps.attribution.matchers.session import REMOTE
from apps.attribution.matchers.traceparent import parse
from apps.core.bulk import rows
from apps.fleet.selectors import RunBook
from apps.telemetry.models import ToolCall

GENERATIONS = 16
BEFORE = timedelta(seconds=600)
LONGEST_CALL = timedelta(days=1)
MOST_CALLS = 2_000  # of one lot of alerts
MOST_A_CASE = 32  # the latest that had begun; older ones are named by trace context or not at all
LONGEST_ARGUMENTS = 16_384


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


@dataclass(slots=True)
class Near:
    """The tool calls of one run or host, latest first."""

    calls: list[Call] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)  # minus their starts: ascending, to search in

    def add(self, call: Call) -> None:
        """The next earlier one."""
        self.calls.append(call)
        self.starts.append(-call.started_at)

    def begun(self, at: float) -> list[Call]:
        """The latest that had begun by `at`."""
        first = bisect_left(self.starts, -at)
        return self.calls[first : first + MOST_A_CASE]


LINES = """
WITH RECURSIVE line AS (
    SELECT id AS leaf, 0 AS step, id, host_id, pid, ppid, start_ticks, argv, exe, cgroup, marker,
           traceparent, run_id, executed_at, started_at
      FROM telemetry_process WHERE id = ANY(%s)
    UNION ALL
    SELECT line.leaf, line.step + 1, p.id, p.host_id, p.pid, p.ppid, p.start_ticks, p.argv, p.exe, p.cgroup,
           p.marker, p.traceparent, p.run_id, p.executed_at, p.started_at
      FROM line CROSS JOIN LATERAL (
           SELECT * FROM telemetry_process p
            WHERE p.host_id = line.host_id AND p.pid = line.ppid AND p.id <> line.id
              AND (p.start_ticks <= line.start_ticks OR line.start_ticks < 0)
            ORDER BY p.start_ticks DESC LIMIT 1) p
     -- One that had ended before was not the parent: its number was given to another.
     WHERE line.step < %s AND (p.ended_at IS NULL OR p.ended_at >= line.started_at - interval '1 second'))
SELECT leaf, id, pid, start_ticks, argv::text, exe, cgroup, marker, traceparent, run_id, executed_at
  FROM line ORDER BY leaf, step
"""
PEERS = """
SELECT process_id, remote FROM telemetry_connection WHERE process_id = ANY(%s) AND remote <> '' LIMIT 500
"""


def cases(subjects: Sequence[Subject], *, book: RunBook) -> list[Case]:
    """One case for each of `subjects`, in their order."""
    lines = _lines({subject.process_id for subject in subjects if subject.process_id is not None})
    near = _near(subjects)
    traced = _traced(kin for line in lines.values() for kin in line)
    own = _own(subject.own_call for subject in subjects if subject.own_call is not None)
    return [_case(subject, book, lines, near, traced, own) for subject in subjects]


def _case(
    subject: Subject,
    book: RunBook,
    lines: dict[int, tuple[Kin, ...]],
    near: dict[tuple[str, int], Near],
    traced: dict[str, list[Call]],
    own: dict[int, Call],
) -> Case:
    line = lines.get(subject.process_id or 0, ())
    at = subject.occurred_at.timestamp()
    run = book.by_id.get(subject.run_id) if subject.run_id is not None else None
    place = ("run", subject.run_id) if subject.run_id is not None else ("host", subject.host_id)
    begun = near[place].begun(at + 1) if place in near else []
    named = [call for kin in line for call in traced.get((parse(kin.traceparent) or ("",))[0], ())]
    asked = [own[subject.own_call]] if subject.own_call in own else []
    calls = {call.id: call for call in [*asked, *named, *begun]}
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
    )


def _lines(processes: Iterable[int]) -> dict[int, tuple[Kin, ...]]:
    """Each process with its ancestors, nearest first, as far as they were seen."""
    wanted = list(processes)
    if not wanted:
        return {}
    found = rows(LINES, [wanted, GENERATIONS])
    peers = _peers([row[1] for row in found if _is_session(row)])
    lines: dict[int, list[Kin]] = defaultdict(list)
    for leaf, pk, pid, ticks, argv, exe, cgroup, marker, traceparent, run_id, since in found:
        far = tuple(peers.get(pk, ()))
        kin = Kin(pid, ticks, _words(argv), exe, cgroup, marker, traceparent, run_id, since.timestamp(), far)
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
)


def _call(row: tuple[object, ...]) -> Call:
    pk, trace, span, name, arguments, captured, started, ended, run = row
    return Call(
        id=pk,  # type: ignore[arg-type]
        trace_id=str(trace),
        span_id=str(span),
        name=str(name),
        arguments=str(arguments)[:LONGEST_ARGUMENTS],
        captured=bool(captured),
        started_at=started.timestamp(),  # type: ignore[attr-defined]
        ended_at=ended.timestamp() if ended else None,  # type: ignore[attr-defined]
        run_id=run,  # type: ignore[arg-type]
    )


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
            **{f"{kind}_id__in": ids},
            started_at__lte=last + timedelta(seconds=1),
            started_at__gte=first - LONGEST_CALL,
        ).exclude(ended_at__lt=first - BEFORE)
        for row in calls.order_by("-started_at").values_list(f"{kind}_id", *_FIELDS)[:MOST_CALLS]:
            found.setdefault((kind, row[0]), Near()).add(_call(row[1:]))
    return found


def _traced(line: Iterable[Kin]) -> dict[str, list[Call]]:
    """Tool calls of every trace that a process names."""
    traces = {ids[0] for kin in line if kin.traceparent and (ids := parse(kin.traceparent))}
    found: dict[str, list[Call]] = defaultdict(list)
    if traces:
        calls = ToolCall.objects.filter(trace_id__in=traces).order_by("-started_at")
        for row in calls.values_list(*_FIELDS)[:MOST_CALLS]:
            found[row[1]].append(_call(row))
    return found


def _own(wanted: Iterable[int]) -> dict[int, Call]:
    ids = list(wanted)
    if not ids:
        return {}
    return {row[0]: _call(row) for row in ToolCall.objects.filter(pk__in=ids).values_list(*_FIELDS)}


# The latest alerts of a place alone: a run with a million of them must not be read for one tool call.
UNSETTLED = """
SELECT a.id, a.host_id, a.run_id, a.process_id, a.occurred_at, g.clock_error_ms
  FROM unnest(%s::bigint[]) AS place(id)
 CROSS JOIN LATERAL (
       SELECT id, host_id, run_id, process_id, occurred_at FROM detection_alert
        WHERE {column} = place.id ORDER BY id DESC LIMIT 2000) a
  JOIN attribution_attribution t ON t.alert_id = a.id AND t.superseded_at IS NULL
  LEFT JOIN fleet_hostagent g ON g.host_id = a.host_id AND g.state = 'active'
 WHERE a.occurred_at BETWEEN %s AND %s AND t.strength < %s AND a.id <> ALL(%s)
 ORDER BY a.id DESC LIMIT %s
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
    """Alerts of those runs (or hosts) in that time whose attribution is still weak, but for `apart`."""
    sql = UNSETTLED.format(column={"run": "run_id", "host": "host_id"}[place])
    found = rows(sql, [list(ids), first, last, below, apart, most])
    return [Subject(*row) for row in found]
