"""The lanes of a run: calls, alerts, and GPU use where it is measured."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.attribution.choices import Origin
from apps.attribution.models import Attribution
from apps.console.charts import counted
from apps.console.charts.figure import drawn, table
from apps.console.charts.labels import labels
from apps.console.charts.lanes import Lane, Window
from apps.console.charts.rows import Bar
from apps.console.charts.timeline import LENGTH, MANY, ended, marked
from apps.console.panels.spoken import said
from apps.detection.models import Alert
from apps.fleet.models import TrainingRun
from apps.telemetry.models import GpuSample, ToolCall

MARGIN = timedelta(seconds=2)


def figure(run: TrainingRun, *, window: str) -> dict[str, Any]:
    """`data`, `layout` and `table`; a window ends now, or when the run ended."""
    stretch = _window(run, window)
    lanes = [_calls(run, stretch), _alerts(run, stretch), *_gpus(run, stretch)]
    return drawn(lanes, stretch) | {"table": table(lanes)}


def _calls(run: TrainingRun, window: Window) -> Lane:
    lane = Lane("Tool calls", head=True)
    rows = ToolCall.objects.filter(run=run, started_at__gte=window.start, started_at__lte=window.end)
    near = list(rows.order_by("-started_at")[: MANY + 1])
    if len(near) > MANY:
        lane.curves, lane.note = [counted.per_bin(rows, "started_at", window)], "counted"
        return lane
    found = Attribution.objects.filter(tool_call__in=near, superseded_at=None, origin=Origin.MODEL)
    joined = set(found.values_list("tool_call", flat=True))
    lane.bars = [
        Bar(row.started_at, ended(row, run), "model" if row.pk in joined else "base", *labels(said(row)))
        for row in near
    ]
    return lane


def _alerts(run: TrainingRun, window: Window) -> Lane:
    rows = Alert.objects.filter(run=run).select_related("host").order_by("-id")[:MANY]
    inside = [row for row in rows if window.start <= row.occurred_at <= window.end]
    named: set[str] = set()
    marks = [marked(row, named) for row in sorted(inside, key=lambda row: row.occurred_at)]
    return Lane("Alerts", f"{len(marks):,} shown", marks=marks)


def _gpus(run: TrainingRun, window: Window) -> list[Lane]:
    hosts = run.placements.values("host")
    rows = GpuSample.objects.filter(
        host__in=hosts,
        occurred_at__gte=window.start,
        occurred_at__lte=window.end,
        sm_percent__isnull=False,
    )
    series = counted.gpu_shares(rows, window)
    return [Lane("GPU by process", "share", curves=series)] if series else []


def _window(run: TrainingRun, name: str) -> Window:
    """It begins no earlier than the run: an empty stretch before it would push what happened out of sight."""
    now = timezone.now()
    end = run.ended_at or now
    first = run.started_at - MARGIN
    start = first if name == "run" else max(first, end - LENGTH.get(name, LENGTH["5m"]))
    return Window(min(start, end), end + MARGIN, now)
