"""The lanes of a run: its calls and its alerts, and the lines from one to the other."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.attribution.choices import Origin
from apps.attribution.models import Attribution
from apps.console.charts import counted
from apps.console.charts.figure import drawn, table
from apps.console.charts.labels import labels
from apps.console.charts.lanes import Lane, Link, Span, Window
from apps.console.charts.rows import Bar
from apps.console.charts.timeline import LENGTH, LINKED, MANY, ended, marked, too_many
from apps.console.panels.spoken import said
from apps.detection.models import Alert
from apps.fleet.models import TrainingRun
from apps.telemetry.models import ToolCall

MARGIN = timedelta(seconds=2)
SEARCHED = 20_000  # newest alerts of a run among which those of a window are looked for


def figure(run: TrainingRun, *, window: str, span: Span | None = None) -> dict[str, Any]:
    """`data`, `layout` and `table`; a window ends now, or when the run ended. `span`: somebody zoomed."""
    stretch = stretch_of(run, window, span)
    alerts = _near(run, stretch)
    found = Attribution.objects.filter(alert__in=alerts, superseded_at=None, origin=Origin.MODEL)
    causes = {row.alert_id: row.tool_call for row in found.select_related("tool_call") if row.tool_call}
    lanes = [_calls(run, stretch, {call.pk: call for call in causes.values()}), _alerts(alerts)]
    links = [Link(call.started_at, row.occurred_at) for row in alerts if (call := causes.get(row.pk))]
    return drawn(lanes, stretch, links=links[:LINKED]) | {"table": table(lanes)}


def stretch_of(run: TrainingRun, name: str, span: Span | None = None) -> Window:
    """It begins no earlier than the run: an empty stretch before it would push what happened out of sight."""
    now = timezone.now()
    if span:
        return Window(*span, now)
    end = run.ended_at or now
    first = run.started_at - MARGIN
    start = first if name == "run" else max(first, end - LENGTH.get(name, LENGTH["5m"]))
    return Window(min(start, end), end + MARGIN, now)


def _calls(run: TrainingRun, window: Window, joined: dict[int, ToolCall]) -> Lane:
    """Those that an alert came of are always drawn one by one."""
    lane = Lane("Tool calls", head=True)
    rows = ToolCall.objects.filter(run=run, started_at__gte=window.start, started_at__lte=window.end)
    near: list[ToolCall] = []
    if too_many(rows):
        curve, total = counted.per_bin(rows, "started_at", window)
        lane.curves, lane.note = [curve], f"{total:,} counted"
    else:
        near = list(rows.order_by("-started_at"))
    found = joined | {row.pk: row for row in near}
    lane.bars = [
        Bar(
            row.started_at,
            ended(row, run),
            "model" if row.pk in joined else "base",
            *labels(said(row)),
            ref=f"call:{row.pk}",
        )
        for row in found.values()
    ]
    return lane


def _near(run: TrainingRun, window: Window) -> list[Alert]:
    """The newest alerts in the window, in order of time."""
    newest = Alert.objects.filter(run=run).order_by("-id").values("pk")[:SEARCHED]
    rows = Alert.objects.filter(
        pk__in=newest, occurred_at__gte=window.start, occurred_at__lte=window.end
    ).select_related("host")
    return sorted(rows.order_by("-id")[:MANY], key=lambda row: row.occurred_at)


def _alerts(rows: list[Alert]) -> Lane:
    named: set[str] = set()
    return Lane("Alerts", f"{len(rows):,} shown", marks=[marked(row, named) for row in rows])
