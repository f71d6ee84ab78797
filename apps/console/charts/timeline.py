"""The lanes of an incident: calls, processes, connections, GPUs, alerts, people, and who watched."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.attribution.choices import Origin
from apps.console.charts import counted
from apps.console.charts.lanes import SYMBOLS, Bar, Lane, Mark, Window, drawn, table
from apps.console.panels.case import Case
from apps.console.templatetags.untrusted import as_text
from apps.core.text import visible
from apps.fleet.choices import AgentState
from apps.fleet.models import Host, HostAgent
from apps.incidents.selectors import alerts, story
from apps.response.models import ContainmentOrder
from apps.telemetry.models import Connection, Event, GpuSample, Process, ToolCall

WINDOWS = [("1m", "1 m"), ("5m", "5 m"), ("episode", "Episode"), ("run", "Run")]
DEFAULT = "5m"
LABEL = 60
BEFORE = {"1m": timedelta(seconds=10), "5m": timedelta(minutes=1)}
LENGTH = {"1m": timedelta(minutes=1), "5m": timedelta(minutes=5)}
MANY = 2_000  # things in one lane; above that they are counted and not drawn one by one


def figure(case: Case, *, host: int | None, window: str) -> dict[str, Any]:
    """`data`, `layout` and `table` for the host (that of the key alert, if none is named) and the window."""
    place = _host(case, host)
    stretch = _window(case, window)
    lanes = [lane for lane in _lanes(case, place, stretch) if lane]
    drawing = drawn(lanes, stretch, links=_links(case))
    return drawing | {"table": table(lanes)}


def _lanes(case: Case, host: Host | None, window: Window) -> list[Lane | None]:
    return [
        _calls(case, window),
        _processes(case, host, window),
        _connections(case, host, window),
        _gpus(host, window),
        _alerts(case, window),
        _people(case, window),
        _observed(host, window),
    ]


def _calls(case: Case, window: Window) -> Lane:
    joined = {call.pk: call for call in story.calls_of(case.rows)}
    near = story.calls_near(case.incident, start=window.start, end=window.end, limit=MANY + 1)
    lane = Lane("Tool calls", weight=1.3)
    if len(near) > MANY:
        rows = ToolCall.objects.filter(run=case.incident.run_id)
        lane.curves = [counted.per_bin(rows, "started_at", window)]
        lane.note = "counted"
        near = []
    found = joined | {call.pk: call for call in near}
    lane.bars = [
        Bar(call.started_at, call.ended_at, "model" if call.pk in joined else "base", *labels(said(call)))
        for call in found.values()
    ]
    return lane


def _processes(case: Case, host: Host | None, window: Window) -> Lane:
    hits = {row.pk for row in case.processes}
    tones = _tones(case)
    rows = Process.objects.filter(_alive("started_at", "ended_at", window), host=host).filter(
        Q(pk__in=hits) | (Q(run=case.incident.run_id) if case.incident.run_id else Q(pk__in=[]))
    )
    lane = Lane("Processes", host.name if host else "", weight=2.0)
    near = list(rows.order_by("-started_at")[: MANY + 1])
    if len(near) > MANY:
        lane.curves = [counted.per_bin(rows, "started_at", window)]
        near = [row for row in near if row.pk in hits]
    lane.bars = [
        Bar(row.started_at, row.ended_at, tones.get(row.pk, "base"), *labels(row.argv or row.exe, row.pid))
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
    lane = Lane("Network", weight=1.6)
    near = list(rows.order_by("-opened_at")[: MANY + 1])
    if len(near) > MANY:
        lane.curves = [counted.per_bin(rows, "opened_at", window)]
        near = [row for row in near if row.pk in hits]
    lane.bars = [
        Bar(
            row.opened_at,
            row.closed_at,
            owners.get(row.process_id or 0, "foreign" if row.pk in hits else "base"),
            *labels(row.remote or f"{row.local} {row.state.lower()}"),
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
    return Lane("GPU by process", "share", weight=1.6, curves=series) if series else None


def _alerts(case: Case, window: Window) -> Lane:
    rows = [row for row in case.rows if window.start <= row.occurred_at <= window.end]
    marks = [
        Mark(row.occurred_at, *SYMBOLS.get(row.level, SYMBOLS["info"]), *labels(row.title, row.host.name))
        for row in rows
    ]
    shown = len(case.rows) < case.incident.alert_count
    return Lane("Alerts", f"first and last {alerts.NEAR}" if shown else "", weight=0.9, marks=marks)


def _people(case: Case, window: Window) -> Lane:
    lane = Lane("People", weight=0.8)

    def add(at: datetime, text: str) -> None:
        if window.start <= at <= window.end:
            lane.marks.append(Mark(at, "circle", "$origin-operator", *labels(text)))

    for change in story.history(case.incident):
        if change.field in ("owner", "status", "level", "verdict") and change.before != change.after:
            add(change.at, f"{change.by}: {change.field} {change.after or 'none'}")
    for note in story.annotations(case.incident):
        add(note.at, f"{note.by.shown} noted")
    for order in ContainmentOrder.objects.filter(incident=case.incident).select_related("by"):
        add(order.requested_at, f"{order.by.shown}: {order.get_action_display()} {order.number}")
    return lane


def _observed(host: Host | None, window: Window) -> Lane:
    """Green while the host spoke; hatched where records were lost or nobody was heard."""
    lane = Lane("Observed", weight=0.5)
    agent = HostAgent.objects.filter(host=host, state=AgentState.ACTIVE).first()
    heard = agent.last_seen_at if agent else None
    now = min(window.end, timezone.now())
    if heard and heard > window.start:
        lane.bars.append(Bar(window.start, min(heard, now), "ok", "", "host agent heard"))
    if heard is None or heard < now - timedelta(seconds=15):
        lane.bars.append(Bar(max(heard or window.start, window.start), now, "blind", "", "nobody was heard"))
    gaps = Event.objects.filter(
        host=host, kind="gap", occurred_at__gte=window.start, occurred_at__lte=window.end
    ).order_by("-occurred_at")[:50]
    for gap in gaps:
        lost = gap.data.get("dropped")
        lane.bars.append(
            Bar(gap.occurred_at, gap.occurred_at + timedelta(seconds=1), "blind", "", f"{lost} records lost")
        )
    return lane


def windows(case: Case) -> list[tuple[str, str]]:
    """The windows that mean something for this incident."""
    call = case.join.attribution.tool_call if case.join.attribution else None
    there = {"episode": bool(call and call.episode), "run": case.incident.run_id is not None}
    return [(name, word) for name, word in WINDOWS if there.get(name, True)]


def _host(case: Case, wanted: int | None) -> Host | None:
    mine = {row.pk: row for row in case.hosts}
    first = case.join.alert.host if case.join.alert else None
    return mine.get(wanted or 0) or first or next(iter(mine.values()), None)


def _window(case: Case, name: str) -> Window:
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
    return Window(start, start + LENGTH[name])


def _stretch(start: datetime, end: datetime) -> Window:
    return Window(start - timedelta(seconds=2), max(end, start) + timedelta(seconds=2))


def _links(case: Case) -> list[tuple[datetime, str]]:
    """The join, drawn through all lanes where there is a tool call in it."""
    found = case.join
    return [(fact.at, "$origin-model") for fact in found.facts if fact.kind == "call"]


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


def said(call: ToolCall) -> str:
    return f"{call.name}: {call.arguments}" if call.arguments else call.name


def labels(text: Any, note: Any = "") -> tuple[str, str]:
    """A short label and a longer one for the hover, with control characters spelt out."""
    words = " ".join(visible(as_text(text), limit=400).split())
    long = f"{note} {words}" if note else words
    return words if len(words) <= LABEL else f"{words[:LABEL]}…", long[:400]
