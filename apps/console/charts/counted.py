"""Curves where things are too many to draw one by one, and shares of GPUs."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Func, QuerySet, Value
from django.db.models.fields import DateTimeField, DurationField

from apps.console.charts.lanes import Window, stamp
from apps.telemetry.models import GpuSample

BINS = 120
SPACE = "\u2002"  # between words and the edge of their area


def per_bin(rows: QuerySet[Any], at: str, window: Window) -> dict[str, Any]:
    """How many of `rows` began in each of `BINS` parts of the window, scaled to the highest."""
    inside = rows.filter(**{f"{at}__gte": window.start, f"{at}__lte": window.end})
    found = list(
        inside.annotate(bin=_bin(at, window)).order_by("bin").values_list("bin").annotate(n=Count("pk"))
    )
    top = max((count for _, count in found), default=1)
    return {
        "type": "scatter",
        "mode": "lines",
        "line": {"shape": "hv", "width": 1, "color": "$chart-other"},
        "fill": "tozeroy",
        "fillcolor": "$chart-other",
        "x": [stamp(moment) for moment, _ in found],
        "y": [round(100 * count / top, 1) for _, count in found],
        "hovertext": [f"{count:,} began" for _, count in found],
        "hoverinfo": "text",
    }


def gpu_shares(rows: QuerySet[GpuSample], window: Window) -> list[dict[str, Any]]:
    """Mean use of each process over the GPUs it held: those of a run in blue, all others in orange."""
    shares = rows.annotate(bin=_bin("occurred_at", window)).order_by("bin").values_list("bin", "run_id")
    sums: dict[bool, dict[Any, float]] = {True: defaultdict(float), False: defaultdict(float)}
    for moment, run, share in shares.annotate(share=Avg("sm_percent")):
        sums[run is not None][moment] += share or 0.0
    return [_share(known, points, _width(window)) for known, points in sums.items() if points]


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


def _bin(at: str, window: Window) -> Func:
    width = Value(_width(window), output_field=DurationField())
    origin = Value(window.start, output_field=DateTimeField())
    return Func(width, F(at), origin, function="date_bin", output_field=DateTimeField())


def _width(window: Window) -> timedelta:
    return timedelta(seconds=window.seconds / BINS)
