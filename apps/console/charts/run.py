"""The lanes of a run: calls, alerts, and GPU use where it is measured."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.attribution.models import Attribution
from apps.console.charts import counted
from apps.console.charts.lanes import SYMBOLS, Bar, Lane, Mark, Window, drawn, table
from apps.console.charts.timeline import LENGTH, MANY, labels, said
from apps.detection.models import Alert
from apps.fleet.models import TrainingRun
from apps.telemetry.models import GpuSample, ToolCall


def figure(run: TrainingRun, *, window: str) -> dict[str, Any]:
    """`data`, `layout` and `table`; a window ends now, or when the run ended."""
    stretch = _window(run, window)
    lanes = [_calls(run, stretch), _alerts(run, stretch), *_gpus(run, stretch)]
    return drawn(lanes, stretch) | {"table": table(lanes)}


def _calls(run: TrainingRun, window: Window) -> Lane:
    lane = Lane("Tool calls", weight=1.2)
    rows = ToolCall.objects.filter(run=run, started_at__gte=window.start, started_at__lte=window.end)
    near = list(rows.order_by("-started_at")[: MANY + 1])
    if len(near) > MANY:
        lane.curves, lane.note = [counted.per_bin(rows, "started_at", window)], "counted"
        return lane
    joined = set(
        Attribution.objects.filter(tool_call__in=near, superseded_at=None).values_list("tool_call", flat=True)
    )
    lane.bars = [
        Bar(row.started_at, row.ended_at, "model" if row.pk in joined else "base", *labels(said(row)))
        for row in near
    ]
    return lane


def _alerts(run: TrainingRun, window: Window) -> Lane:
    rows = Alert.objects.filter(run=run).select_related("host").order_by("-id")[:MANY]
    marks = [
        Mark(row.occurred_at, *SYMBOLS.get(row.level, SYMBOLS["info"]), *labels(row.title, row.host.name))
        for row in rows
        if window.start <= row.occurred_at <= window.end
    ]
    return Lane("Alerts", marks=marks)


def _gpus(run: TrainingRun, window: Window) -> list[Lane]:
    hosts = run.placements.values("host")
    rows = GpuSample.objects.filter(
        host__in=hosts,
        occurred_at__gte=window.start,
        occurred_at__lte=window.end,
        sm_percent__isnull=False,
    )
    series = counted.gpu_shares(rows, window)
    return [Lane("GPU by process", "share", weight=1.8, curves=series)] if series else []


def _window(run: TrainingRun, name: str) -> Window:
    end = run.ended_at or timezone.now()
    if name == "run":
        return Window(run.started_at - timedelta(seconds=2), end + timedelta(seconds=2))
    length = LENGTH.get(name, LENGTH["5m"])
    return Window(end - length, end + timedelta(seconds=2))
