"""GPU use of one host by process: the run's own against all others, in shares of its GPUs and in memory."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from django.db.models import Avg, Count, QuerySet

from apps.console.charts.counted import bin_width, binned
from apps.console.charts.labels import command
from apps.console.charts.lanes import Window, stamp
from apps.core.text import visible
from apps.fleet.models import Host, TrainingRun
from apps.telemetry.models import GpuSample, Process

LEAST = timedelta(seconds=10)  # a sensor reads every five: a shorter part of the window would often be empty
MOST = 20_000  # rows: parts of the window, processes and GPUs
SHOWN = 6  # processes of the run, and others, that are drawn by themselves
GIB = 2**30
NAMED = 40
FULL = 100.5  # per cent of one GPU


@dataclass(slots=True)
class Holder:
    """One process on the GPUs: its share and its bytes in each part of the window, over all GPUs."""

    name: str
    own: bool
    ref: str = ""
    share: dict[datetime, float] = field(default_factory=lambda: defaultdict(float))
    memory: dict[datetime, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def weight(self) -> float:
        """By what it took: the largest are drawn by themselves."""
        return sum(self.share.values()) + sum(self.memory.values()) / GIB


def figure(run: TrainingRun, host: Host | None, window: Window) -> dict[str, Any]:
    """`data`, `layout` and `table`; parts of the window in which nothing was measured are hatched."""
    rows = GpuSample.objects.filter(host=host, occurred_at__gte=window.start, occurred_at__lte=window.end)
    width = max(LEAST, bin_width(window))
    gpus, holders = _held(run, rows, window, width)
    data: list[dict[str, Any]] = []
    for axis, name in (("y", "share"), ("y2", "memory")):
        for own in (True, False):
            mine = [holder for holder in holders if holder.own is own]
            data += [_bars(holder, name, axis, width, place) for place, holder in enumerate(mine)]
    if holders:
        data += _unseen(holders, window, width)
    return {"data": data, "layout": _layout(window, gpus, holders), "table": _table(holders)}


def _held(
    run: TrainingRun, rows: QuerySet[GpuSample], window: Window, width: timedelta
) -> tuple[int, list[Holder]]:
    """How many GPUs were seen, and who held them, the run's own first."""
    means = (
        rows.annotate(bin=binned("occurred_at", window, width))
        .order_by("bin")
        .values_list("bin", "gpu_uuid", "run_id", "pid", "start_ticks")
        .annotate(share=Avg("sm_percent"), memory=Avg("memory_bytes"), n=Count("pk"))
    )[:MOST]
    found: dict[tuple[int, int], Holder] = {}
    gpus: set[str] = set()
    for (moment, gpu), group in _by_gpu(means).items():
        gpus.add(gpu)
        over = sum(share or 0.0 for *_, share, _, _ in group) > FULL
        read = sum(n for *_, n in group)
        for run_id, pid, ticks, share, memory, n in group:
            holder = found.setdefault((pid, ticks), Holder(f"pid {pid}", run_id == run.pk))
            part = n / read if over else 1.0  # one after the other in this part, not both at once
            if share is not None:  # a driver that does not tell is no idle GPU
                holder.share[moment] += share * part
            holder.memory[moment] += (memory or 0.0) * part
    _named(rows, found)
    holders = sorted(found.values(), key=lambda holder: -holder.weight)
    for holder in holders:
        holder.share = {moment: share / len(gpus) for moment, share in holder.share.items()}
    return len(gpus), [*_largest(holders, own=True), *_largest(holders, own=False)]


def _by_gpu(means: Iterable[tuple[Any, ...]]) -> dict[tuple[datetime, str], list[tuple[Any, ...]]]:
    groups: dict[tuple[datetime, str], list[tuple[Any, ...]]] = defaultdict(list)
    for moment, gpu, *rest in means:
        groups[moment, gpu].append(tuple(rest))
    return groups


def holders(rows: QuerySet[GpuSample]) -> dict[bool, str]:
    """Who held a GPU in these samples, in a few words: processes of a run, and others."""
    pids = rows.order_by().values_list("host", "pid", "start_ticks", "run_id").distinct()[: 4 * SHOWN]
    found: dict[bool, dict[tuple[int, int], str]] = {True: {}, False: {}}
    for host, pid, ticks, run_id in pids:
        row = Process.objects.filter(host=host, pid=pid, start_ticks=ticks).first()
        name = PurePosixPath(row.exe or str(next(iter(row.argv), ""))).name if row else ""
        found[run_id is not None][pid, ticks] = f"{visible(name, limit=NAMED)} {pid}".strip()
    return {known: ", ".join(list(names.values())[:SHOWN]) for known, names in found.items() if names}


def _named(rows: QuerySet[GpuSample], found: dict[tuple[int, int], Holder]) -> None:
    """Those that were seen as processes are called by their command."""
    first = rows.first()
    if first is None:
        return
    pids = [pid for pid, _ in found]
    for row in Process.objects.filter(host=first.host_id, pid__in=pids[:MOST]):
        if holder := found.get((row.pid, row.start_ticks)):
            holder.name = f"{visible(command(row) or row.exe, limit=NAMED)[:NAMED]}, pid {row.pid}"
            holder.ref = f"process:{row.pk}"


def _largest(holders: Iterable[Holder], *, own: bool) -> list[Holder]:
    """The largest by themselves, the others as one."""
    mine = [holder for holder in holders if holder.own is own]
    if len(mine) <= SHOWN:
        return mine
    rest = Holder(f"{len(mine) - SHOWN + 1:,} more {'of the run' if own else 'foreign'}", own)
    for holder in mine[SHOWN - 1 :]:
        for moment, share in holder.share.items():
            rest.share[moment] += share
        for moment, memory in holder.memory.items():
            rest.memory[moment] += memory
    return [*mine[: SHOWN - 1], rest]


def _bars(holder: Holder, name: str, axis: str, width: timedelta, place: int) -> dict[str, Any]:
    points: dict[datetime, float] = getattr(holder, name)
    whose = "of this run" if holder.own else "foreign"
    return {
        "type": "bar",
        "yaxis": axis,
        "name": holder.name,
        "x": [stamp(moment + width / 2) for moment in points],
        "y": [round(value / GIB if name == "memory" else value, 2) for value in points.values()],
        "width": width.total_seconds() * 1000,
        "hovertext": [f"{holder.name}, {whose}: {_said(name, value)}" for value in points.values()],
        "hoverinfo": "text",
        "customdata": [holder.ref] * len(points),
        "marker": {
            "color": "$chart-train" if holder.own else "$chart-foreign",
            "opacity": (1, 0.75, 0.55)[place % 3],  # neighbours of one colour are told apart
            "line": {"width": 0},
        },
    }


def _said(name: str, value: float) -> str:
    return f"{value / GIB:,.1f} GiB" if name == "memory" else f"{value:.0f} %"


def _unseen(holders: list[Holder], window: Window, width: timedelta) -> list[dict[str, Any]]:
    """Between the first and the last measurement: an empty part would look like an idle GPU."""
    seen = sorted({moment for holder in holders for moment in holder.memory})
    parts = round((seen[-1] - seen[0]) / width)
    missing = sorted({seen[0] + width * part for part in range(parts)} - set(seen))
    if not missing:
        return []
    return [
        {
            "type": "bar",
            "x": [stamp(moment + width / 2) for moment in missing],
            "y": [100] * len(missing),
            "width": width.total_seconds() * 1000,
            "hovertext": ["no sample arrived"] * len(missing),
            "hoverinfo": "text",
            "marker": {
                "color": "$surface-pane",
                "pattern": {"shape": "/", "fgcolor": "$hatch", "size": 5},
            },
        }
    ]


def _layout(window: Window, gpus: int, holders: list[Holder]) -> dict[str, Any]:
    """Two strips on one time axis; their titles are written beside the figure."""
    sums: dict[datetime, float] = defaultdict(float)
    for holder in holders:
        for moment, memory in holder.memory.items():
            sums[moment] += memory / GIB
    top = max(sums.values(), default=0.0) * 1.1 or 1.0
    seen = f"of {gpus} GPU{'' if gpus == 1 else 's'}"
    half = float(f"{top / 2:.2g}")
    return {
        "height": 268,
        "barmode": "stack",
        "bargap": 0,
        "barcornerradius": 0,
        "xaxis": {"type": "date", "range": [stamp(window.start), stamp(window.end)]},
        "yaxis": _axis([0.42, 1], f"SM use<br>{seen}", [0, 112], [50, 100]),
        "yaxis2": _axis([0, 0.38], "Memory<br>in use", [0, top], [half]),
        "annotations": [_tag("y", 50, "50 %"), _tag("y", 100, "100 %"), _tag("y2", half, f"{half:g} GiB")],
    }


def _axis(domain: list[float], title: str, span: list[float], lines: list[float]) -> dict[str, Any]:
    return {
        "domain": domain,
        "fixedrange": True,
        "title": {"text": title},
        "range": span,
        "tickvals": lines,
        "showgrid": True,
    }


def _tag(axis: str, value: float, text: str) -> dict[str, Any]:
    """What a line of the grid means, legible on whatever is drawn there."""
    return {
        "xref": "paper",
        "yref": axis,
        "x": 0,
        "y": value,
        "text": text,
        "showarrow": False,
        "xanchor": "left",
        "bgcolor": "$surface-pane",
        "borderpad": 1,
        "font": {"size": 10, "color": "$text-2"},
    }


def _table(holders: list[Holder]) -> dict[str, Any]:
    return {
        "head": ["Process", "Whose", "SM, mean", "Memory, most"],
        "rows": [
            [
                holder.name,
                "of this run" if holder.own else "foreign",
                f"{sum(holder.share.values()) / len(holder.share):.0f} %" if holder.share else "not told",
                f"{max(holder.memory.values()) / GIB:,.1f} GiB",
            ]
            for holder in holders
        ],
        "refs": [holder.ref for holder in holders],
    }
