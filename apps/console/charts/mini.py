"""The small timeline of the peek: calls, alerts and GPUs around the key alert, drawn as plain SVG."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apps.console.charts import counted
from apps.console.charts.lanes import Window
from apps.console.charts.timeline import DEFAULT, key_host, links, window_of
from apps.console.panels.case import Case
from apps.incidents.selectors import story
from apps.telemetry.models import GpuSample

CALLS = 120
APART = 2.5  # per cent of the width between two alerts that are drawn
TALL = 100


@dataclass(frozen=True, slots=True)
class Tick:
    """A point in time, as a share of the width in per cent; `kind` says how it looks."""

    at: float
    kind: str


def mini(case: Case) -> dict[str, Any]:
    """Ticks and areas; a lane with nothing in it is left out, as it is on the page."""
    whole = window_of(case, DEFAULT)
    window = Window(whole.start, whole.edge)
    calls = story.calls_near(case.incident, start=window.start, end=window.end, limit=CALLS)
    shown = [row for row in case.rows if window.start <= row.occurred_at <= window.end]
    link = next((it.start for it in links(case) if it.strong), None)
    return {
        "from": window.start,
        "to": window.end,
        "calls": [
            Tick(_share(call.started_at, window), "model" if call.pk in case.model_calls else "call")
            for call in calls
            if call.started_at >= window.start
        ],
        "alerts": _apart([Tick(_share(row.occurred_at, window), row.level) for row in shown]),
        "alert_count": len(shown),
        "link": _share(link, window) if link and shown else None,
        "gpus": _areas(case, window),
    }


def _apart(ticks: list[Tick]) -> list[Tick]:
    """Those that do not stand on each other; the first of a crowd speaks for it."""
    kept: list[Tick] = []
    for tick in sorted(ticks, key=lambda tick: tick.at):
        if not kept or tick.at - kept[-1].at >= APART:
            kept.append(tick)
    return kept


def _areas(case: Case, window: Window) -> list[dict[str, str]]:
    rows = GpuSample.objects.filter(
        host=key_host(case, None),
        occurred_at__gte=window.start,
        occurred_at__lte=window.end,
        sm_percent__isnull=False,
    )
    floor: dict[str, float] = {}
    areas = []
    for series in counted.gpu_shares(rows, window):
        xs = [_share(_read(moment), window) for moment in series["x"]]
        low = [floor.get(moment, 0.0) for moment in series["x"]]
        top = [under + share for under, share in zip(low, series["y"], strict=True)]
        floor |= dict(zip(series["x"], top, strict=True))
        edge = [*zip(xs, top, strict=True), *reversed(list(zip(xs, low, strict=True)))]
        points = " ".join(f"{x:.2f},{TALL - min(TALL, y):.1f}" for x, y in edge)
        areas.append({"kind": "train" if series["name"] == "training" else "foreign", "points": points})
    return areas


def _share(moment: datetime, window: Window) -> float:
    return round(100 * (moment - window.start).total_seconds() / window.seconds, 2)


def _read(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC)
