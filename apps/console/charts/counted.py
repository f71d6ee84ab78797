"""Curves where things are too many to draw one by one, and shares of GPUs."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Func, QuerySet, Value
from django.db.models.fields import DateTimeField, DurationField

from apps.console.charts.lanes import Window, stamp
from apps.telemetry.models import GpuSample

BINS = 120
LOWEST = 4  # per cent of the lane: one in ten thousand is to be seen and pointed at
SPACE = "\u2002"  # between words and the edge of their area


def per_bin(rows: QuerySet[Any], at: str, window: Window) -> tuple[dict[str, Any], int]:
    """How many of `rows` began in each of `BINS` parts of the window, scaled to the highest; and in all."""
    inside = rows.filter(**{f"{at}__gte": window.start, f"{at}__lte": window.end})
    width = bin_width(window)
    found = list(
        inside.annotate(bin=binned(at, window, width))
        .order_by("bin")
        .values_list("bin")
        .annotate(n=Count("pk"))
    )
    top = max((count for _, count in found), default=1)
    bars = {
        "type": "bar",
        "x": [stamp(moment + width / 2) for moment, _ in found],
        "width": width.total_seconds() * 1000,
        "y": [max(LOWEST, round(100 * count / top, 1)) for _, count in found],
        "hovertext": [f"{count:,} began in {width.total_seconds():.3g} s" for _, count in found],
        "hoverinfo": "text",
        "marker": {"color": "$chart-other"},
    }
    return bars, sum(count for _, count in found)


def gpu_shares(rows: QuerySet[GpuSample], window: Window) -> list[dict[str, Any]]:
    """Mean use of each process over the GPUs it held: those of a run in blue, all others in orange."""
    width = bin_width(window)
    shares = (
        rows.annotate(bin=binned("occurred_at", window, width)).order_by("bin").values_list("bin", "run_id")
    )
    sums: dict[bool, dict[Any, float]] = {True: defaultdict(float), False: defaultdict(float)}
    for moment, run, share in shares.annotate(share=Avg("sm_percent")):
        sums[run is not None][moment] += share or 0.0
    return [_share(known, points, width) for known, points in sums.items() if points]


def _share(known: bool, points: dict[datetime, float], width: timedelta) -> dict[str, Any]:
    """One band of the stack, named where it ends and, for the run's own, where it begins.

    A share holds to the end of its part of the window: a single one is to be seen too.
    """
    last = max(points)
    points = points | {last + width: points[last]}
    name, colour = ("training", "$chart-train") if known else ("foreign", "$chart-foreign")
    told = [f"{name} {share:.0f} %" for share in points.values()]
    words = [""] * len(told)
    words[-1] = f"{told[-1]}{SPACE}"
    if known and len(told) > BINS // 4 and told[0] != told[-1]:
        words[0] = f"{SPACE}{told[0]}"
    return {
        "type": "scatter",
        "mode": "lines+text",
        "stackgroup": "gpu",
        "name": name,
        "line": {"width": 0.5, "color": colour},
        "fillcolor": colour,
        "x": [stamp(moment) for moment in points],
        "y": [round(min(100.0, share), 1) for share in points.values()],
        "text": words,
        "textposition": ["bottom right", *["bottom left"] * (len(told) - 1)],
        "textfont": {"color": "$text-1" if known else "$surface-pane"},
        "hovertext": told,
        "hoverinfo": "text",
    }


def binned(at: str, window: Window, width: timedelta) -> Func:
    """The beginning of the part of the window, each `width` long, in which `at` lies."""
    long = Value(width, output_field=DurationField())
    origin = Value(window.start, output_field=DateTimeField())
    return Func(long, F(at), origin, function="date_bin", output_field=DateTimeField())


def bin_width(window: Window) -> timedelta:
    """How long each of its `BINS` parts is."""
    return timedelta(seconds=window.seconds / BINS)
