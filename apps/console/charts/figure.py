"""A whole figure: lanes under each other on one time axis, and the same as a table."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from apps.console.charts.lanes import Lane, Link, Strip, Window, stacked, stamp
from apps.console.charts.rows import Bar
from apps.console.charts.traces import traces

TIMES = 28  # pixels below the lanes


def drawn(lanes: Sequence[Lane], window: Window, *, links: Iterable[Link] = ()) -> dict[str, Any]:
    """`data` and `layout` of the figure; `links` are lines from the first lane down to the alerts."""
    strips = stacked(lanes, window)
    total = sum(strip.height for strip in strips)
    shapes = [_link(link, strips, total) for link in links]
    if window.now and window.start < window.now < window.end:
        shapes.append(_line((window.now, 1), (window.now, 0), "$accent"))
    layout: dict[str, Any] = {
        "height": total + TIMES,
        "xaxis": {"type": "date", "range": [stamp(window.start), stamp(window.end)]},
        "shapes": shapes,
        "barmode": "overlay",
    }
    layout |= {f"yaxis{strip.axis[1:]}": _axis(strip, total) for strip in strips}
    return {"data": [trace for strip in strips for trace in traces(strip, window)], "layout": layout}


def table(lanes: Sequence[Lane]) -> dict[str, Any]:
    """The same as rows, in order of time, and beside each what it stands for."""
    lines: list[tuple[datetime, list[str], str]] = []
    for lane in lanes:
        lines += [
            (bar.start, [_clock(bar.start), lane.name, bar.text or bar.hover, _until(bar)], bar.ref)
            for bar in lane.bars
        ]
        lines += [
            (mark.at, [_clock(mark.at), lane.name, mark.text, mark.hover], mark.ref) for mark in lane.marks
        ]
    lines.sort(key=lambda line: line[0])
    return {
        "head": ["Time, UTC", "Lane", "What", "Until"],
        "rows": [cells for _, cells, _ in lines],
        "refs": [ref for _, _, ref in lines],
    }


def _axis(strip: Strip, total: int) -> dict[str, Any]:
    """Its title is the lane's name: the browser writes it beside the figure, where it does not scroll."""
    lane = strip.lane
    return {
        "domain": [round(1 - (strip.top + strip.height) / total, 4), round(1 - strip.top / total, 4)],
        "fixedrange": True,
        "showgrid": False,
        "tickvals": [],
        "title": {"text": f"{lane.name}<br>{lane.note}" if lane.note else lane.name},
        "range": [0, 100] if lane.curves else [strip.height, 0],
    }


def _link(link: Link, strips: list[Strip], total: int) -> dict[str, Any]:
    """From the first row of the first lane to the middle of the alerts, each end at its own time."""
    first = 0 if strips[0].lane.curves else strips[0].level(0)
    last = next((strip for strip in strips if strip.lane.name == "Alerts"), strips[-1])
    low = 1 - (last.top + last.height / 2) / total
    line = _line((link.start, 1 - first / total), (link.end, low), "$origin-model")
    return (
        line
        if link.strong
        else line
        | {
            "line": {"color": "$origin-model", "width": 1, "dash": "dot"},
            "opacity": 0.55,  # words in bars stay legible
        }
    )


def _line(start: tuple[datetime, float], end: tuple[datetime, float], colour: str) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": stamp(start[0]),
        "x1": stamp(end[0]),
        "y0": round(start[1], 4),
        "y1": round(end[1], 4),
        "line": {"color": colour, "width": 1.5},
    }


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3]


def _until(bar: Bar) -> str:
    return _clock(bar.end) if bar.end else "still going on"
