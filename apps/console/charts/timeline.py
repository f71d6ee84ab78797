"""The lanes of an incident: calls, processes, connections, GPUs, alerts, people, and who watched."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.attribution.choices import Origin
from apps.console.charts import counted, gpus, observed
from apps.console.charts.figure import drawn, table
from apps.console.charts.labels import command, labels
from apps.console.charts.lanes import SYMBOLS, Lane, Link, Mark, Span, Window
from apps.console.charts.rows import Bar
from apps.console.panels.case import Case
from apps.console.panels.spoken import said
from apps.core.text import visible
from apps.detection.models import Alert
from apps.fleet.models import Host, TrainingRun
from apps.fleet.selectors import clock_ahead
from apps.incidents.models import StatusChange
from apps.incidents.selectors import alerts, story
from apps.response.models import ContainmentOrder
from apps.telemetry.models import Connection, GpuSample, Process, ToolCall

WINDOWS = [("1m", "1 m"), ("5m", "5 m"), ("episode", "Episode"), ("run", "Run")]
DEFAULT = "5m"
BEFORE = {"1m": timedelta(seconds=10), "5m": timedelta(minutes=1)}
LENGTH = {"1m": timedelta(minutes=1), "5m": timedelta(minutes=5)}
MANY = 400  # things in one lane; above that they are counted and not drawn one by one
LINKED = 40  # lines from calls to alerts, beside that of the join


def figure(case: Case, *, host: int | None, window: str, span: Span | None = None) -> dict[str, Any]:
    """`data`, `layout` and `table` for the host (that of the key alert, if none is named) and the window.

    `span`, where somebody zoomed, takes the place of the window.
    """
    place = key_host(case, host)
    stretch = Window(*span, timezone.now()) if span else window_of(case, window)
    lanes = [lane for lane in _lanes(case, place, stretch) if lane]
    drawing = drawn(lanes, stretch, links=links(case))
    return drawing | {"table": table(lanes)}


def _lanes(case: Case, host: Host | None, window: Window) -> list[Lane | None]:
    return [
        _calls(case, window),
        _processes(case, host, window),
        _connections(case, host, window),
        _gpus(host, window),
        _alerts(case, window),
        _people(case, host, window),
        observed.lane(host, window),
    ]


def _calls(case: Case, window: Window) -> Lane:
    joined = {call.pk: call for call in story.calls_of(case.rows)}
    lane = Lane("Tool calls", _episode(case), head=True)
    rows = ToolCall.objects.filter(run=case.incident.run_id or 0)
    inside = rows.filter(started_at__gte=window.start, started_at__lte=window.end)
    if too_many(inside):
        curve, total = counted.per_bin(rows, "started_at", window)
        lane.curves, lane.note = [curve], f"{total:,} counted"
        near = []
    else:
        near = story.calls_near(case.incident, start=window.start, end=window.end, limit=MANY)
    knots = _knots(case)
    found = joined | {call.pk: call for call in near}
    lane.bars = [
        Bar(
            call.started_at,
            ended(call, case.incident.run),
            "model" if call.pk in case.model_calls else "base",
            *labels(said(call)),
            knot=("call", call.pk) in knots,
            ref=f"call:{call.pk}",
        )
        for call in found.values()
    ]
    return lane


def too_many(rows: QuerySet[Any]) -> bool:
    """Whether more of them lie in a lane than are drawn one by one: none of them is read for it."""
    return rows.order_by()[MANY : MANY + 1].exists()


def ended(call: ToolCall, run: TrainingRun | None) -> datetime | None:
    """Until when a call may have gone on: no longer than its run, if nobody told its end."""
    over = run.ended_at if run else None
    return call.ended_at or (max(over, call.started_at) if over else None)


def _processes(case: Case, host: Host | None, window: Window) -> Lane:
    hits = {row.pk for row in case.processes}
    tones = _tones(case)
    rows = Process.objects.filter(_alive("started_at", "ended_at", window), host=host).filter(
        Q(pk__in=hits) | (Q(run=case.incident.run_id) if case.incident.run_id else Q(pk__in=[]))
    )
    lane = Lane("Processes", visible(host.name, limit=60) if host else "")
    near = list(rows.order_by("-started_at")[: MANY + 1])
    if len(near) > MANY:
        curve, total = counted.per_bin(rows, "started_at", window)
        lane.curves, lane.note = [curve], f"{total:,} began, counted"
        near = list(rows.filter(pk__in=hits))
    knots = _knots(case)
    lane.bars = [
        Bar(
            row.started_at,
            row.ended_at,
            tones.get(row.pk, "base"),
            *labels(row.argv or row.exe, row.pid, short=command(row)),
            knot=("process", row.pk) in knots,
            ref=f"process:{row.pk}",
        )
        for row in near
    ]
    return lane


def _connections(case: Case, host: Host | None, window: Window) -> Lane:
    hits = {row.connection_id for row in case.rows if row.connection_id}
    owners = _tones(case)
    rows = Connection.objects.filter(_alive("opened_at", "closed_at", window), host=host).filter(
        Q(pk__in=hits)
        | Q(process__in=list(owners))
        | (Q(run=case.incident.run_id) if case.incident.run_id else Q(pk__in=[]))
    )
    lane = Lane("Network", soft=True)
    knots = _knots(case)
    near = list(rows.order_by("-opened_at")[: MANY + 1])
    if len(near) > MANY:
        curve, total = counted.per_bin(rows, "opened_at", window)
        lane.curves, lane.note = [curve], f"{total:,} opened, counted"
        near = list(rows.filter(pk__in=hits))
    lane.bars = [
        Bar(
            row.opened_at,
            row.closed_at,
            owners.get(row.process_id or 0, "foreign" if row.pk in hits else "base"),
            *labels(row.remote or f"{row.local} {row.state.lower()}"),
            knot=("connection", row.pk) in knots,
            ref=f"connection:{row.pk}",
        )
        for row in near
    ]
    return lane


def _gpus(host: Host | None, window: Window) -> Lane | None:
    """Only where a sensor measured: an empty strip would look like an idle GPU."""
    rows = GpuSample.objects.filter(
        host=host, occurred_at__gte=window.start, occurred_at__lte=window.end, sm_percent__isnull=False
    )
    series = counted.gpu_shares(rows, window)
    if not series:
        return None
    names = gpus.holders(rows)
    for curve in series:
        held = names.get(curve["name"] == "training", "")
        curve["hovertext"] = [f"{said}: {held}" if held else said for said in curve["hovertext"]]
    return Lane("GPU by process", "share", curves=series)


def _alerts(case: Case, window: Window) -> Lane:
    rows = [row for row in case.rows if window.start <= row.occurred_at <= window.end]
    named: set[str] = set()
    marks = [marked(row, named) for row in sorted(rows, key=lambda row: row.occurred_at)]
    cut = len(case.rows) < case.incident.alert_count
    return Lane("Alerts", f"first and last {alerts.NEAR}" if cut else f"{len(rows):,} shown", marks=marks)


def marked(row: Alert, named: set[str]) -> Mark:
    """An alert; the first of each title carries it as a label."""
    words, hover = labels(row.title, row.host.name)
    label = "" if words in named else words
    named.add(words)
    symbol = SYMBOLS.get(row.level, SYMBOLS["info"])
    return Mark(row.occurred_at, *symbol, words, hover, label, ref=f"alert:{row.pk}")


def _people(case: Case, host: Host | None, window: Window) -> Lane:
    """What people did is known by the server's clock; all other lanes are in the host's, so it is moved."""
    lane, ahead = Lane("People", labels="right"), clock_ahead(host)

    def add(done_at: datetime, text: str, ref: str) -> None:
        at = done_at + ahead
        if window.start <= at <= window.end:
            words, hover = labels(text)
            lane.marks.append(Mark(at, "circle", "$origin-operator", words, hover, words, ref))

    for change in story.history(case.incident):
        if (words := _did(change)) and change.before != change.after:
            add(change.at, f"{change.by} {words}", f"change:{change.pk}")
    for note in story.annotations(case.incident):
        add(note.at, f"{note.by.shown} noted", f"note:{note.pk}")
    for order in ContainmentOrder.objects.filter(incident=case.incident).select_related("by"):
        words = f"{order.get_action_display()} {order.number}, {order.by.shown}"
        add(order.requested_at, words, f"order:{order.pk}")
    lane.note = f"{len(lane.marks):,} shown" if lane.marks else ""
    return lane


def _did(change: StatusChange) -> str:
    """An act of triage in words; who has it and why it was closed are told by the act itself."""
    if change.field == "level":
        return f"set {change.after}"
    if change.field != "status":
        return ""
    acts = {"taken": "took", "new": "gave back", "closed": "closed"}
    return "reopened" if change.before == "closed" else acts.get(change.after, "")


def windows(case: Case) -> list[tuple[str, str]]:
    """The windows that mean something for this incident."""
    call = case.join.attribution.tool_call if case.join.attribution else None
    there = {"episode": bool(call and call.episode), "run": case.incident.run_id is not None}
    return [(name, word) for name, word in WINDOWS if there.get(name, True)]


def key_host(case: Case, wanted: int | None) -> Host | None:
    """The host whose lanes are drawn: the one asked for, if it is in the incident; else the key alert's."""
    mine = {row.pk: row for row in case.hosts}
    first = case.join.alert.host if case.join.alert else None
    return mine.get(wanted or 0) or first or next(iter(mine.values()), None)


def window_of(case: Case, name: str) -> Window:
    """The stretch of that name around the join."""
    found = case.join
    anchor = found.facts[0].at if found.facts else case.incident.first_alert_at
    call = found.attribution.tool_call if found.attribution else None
    now = timezone.now()
    if name == "episode" and call and call.episode and call.episode.started_at:
        return _stretch(call.episode.started_at, call.episode.ended_at or now)
    if name == "run" and case.incident.run:
        return _stretch(case.incident.run.started_at, case.incident.run.ended_at or now)
    if name not in LENGTH:
        name = DEFAULT
    start = anchor - BEFORE[name]
    return Window(start, start + LENGTH[name], now)


def _stretch(start: datetime, end: datetime) -> Window:
    return Window(start - timedelta(seconds=2), max(end, start) + timedelta(seconds=2), timezone.now())


def links(case: Case) -> list[Link]:
    """From each call of the model's to the alerts that came of it; that of the join first, if any is."""
    found = {row.pk: row for row in case.rows}
    strong = [
        Link(fact.at, case.join.alert.occurred_at, strong=True)
        for fact in case.join.facts
        if fact.kind == "call" and fact.row.pk in case.model_calls and case.join.alert
    ]
    if strong and case.join.alert:
        found.pop(case.join.alert.pk, None)
    others = [Link(call.started_at, row.occurred_at) for row in found.values() if (call := _cause(row))]
    return strong + others[:LINKED]


def _cause(row: Alert) -> ToolCall | None:
    """The call from which the alert came by the model's hand."""
    current = alerts.current(row)
    return current.tool_call if current and current.origin == Origin.MODEL else None


def _knots(case: Case) -> set[tuple[str, int]]:
    """What the thread runs through: the model's call was found, and these are its facts."""
    strong = any(link.strong for link in links(case))
    return {(fact.kind, fact.row.pk) for fact in case.join.facts} if strong else set()


def _episode(case: Case) -> str:
    found = case.join.attribution
    call = found.tool_call if found else None
    return f"episode {visible(call.episode.native_id, limit=24)}" if call and call.episode else ""


def _tones(case: Case) -> dict[int, str]:
    """Processes that raised alerts: violet where the tie to the model is, orange where none is known."""
    tones: dict[int, str] = {}
    for row in case.rows:
        if row.process_id:
            current = alerts.current(row)
            model = bool(current and current.origin == Origin.MODEL)
            tones[row.process_id] = "model" if model else tones.get(row.process_id, "foreign")
    return tones


def _alive(start: str, end: str, window: Window) -> Q:
    still = Q(**{f"{end}__isnull": True}) | Q(**{f"{end}__gte": window.start})
    return Q(**{f"{start}__lte": window.end}) & still
