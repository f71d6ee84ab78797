"""Lanes: one figure, one time axis, a strip for each kind of thing; bars packed so that none is covered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

CHARACTERS = 120  # that fit beside each other over the whole width
ABOVE, BESIDE = 90, 16  # where bars stand, and how high, in a lane whose height is per cent of a curve
ROWS = 6  # bars of one lane that stand above each other
SYMBOLS = {
    "critical": ("diamond", "$sev-critical"),
    "high": ("triangle-up", "$sev-high"),
    "medium": ("circle", "$sev-medium"),
    "low": ("circle-open", "$sev-low"),
    "info": ("line-ew-open", "$sev-info"),
}
TONES = {  # most important first: they get the upper rows
    "model": "$origin-model",
    "foreign": "$chart-foreign",
    "base": "$chart-other",
    "ok": "$ok",
    "blind": "$hatch",
    "people": "$origin-operator",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted. `text` is hostile; `end` None means still going on."""

    start: datetime
    end: datetime | None
    tone: str
    text: str
    hover: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at once."""

    at: datetime
    symbol: str
    colour: str
    text: str
    hover: str = ""


@dataclass(slots=True)
class Lane:
    """One strip: its name on the left, its share of the height, what is in it."""

    name: str
    note: str = ""
    weight: float = 1.0
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time that a figure shows."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(1.0, (self.end - self.start).total_seconds())


def drawn(
    lanes: Sequence[Lane], window: Window, *, links: Iterable[tuple[datetime, str]] = ()
) -> dict[str, Any]:
    """`data` and `layout` of the figure; `links` are vertical lines through all lanes."""
    total = sum(lane.weight for lane in lanes) or 1.0
    layout: dict[str, Any] = {
        "xaxis": {"type": "date", "range": [stamp(window.start), stamp(window.end)]},
        "shapes": [_link(at, colour) for at, colour in links],
        "barmode": "overlay",
        "bargap": 0.25,
    }
    data: list[dict[str, Any]] = []
    top = 1.0
    for place, lane in enumerate(lanes, start=1):
        bottom = top - lane.weight / total
        suffix = "" if place == 1 else str(place)
        rows = _packed(lane.bars, window)
        data += [*_bars(lane, rows, f"y{suffix}", window), *_marks(lane, f"y{suffix}")]
        data += [curve | {"yaxis": f"y{suffix}"} for curve in lane.curves]
        layout[f"yaxis{suffix}"] = _axis(lane, max(rows, default=0), bottom, top)
        top = bottom
    return {"data": data, "layout": layout}


def table(lanes: Sequence[Lane]) -> dict[str, Any]:
    """The same as rows, in order of time."""
    lines: list[tuple[datetime, list[str]]] = []
    for lane in lanes:
        lines += [(bar.start, [_clock(bar.start), lane.name, bar.text, _until(bar)]) for bar in lane.bars]
        lines += [(mark.at, [_clock(mark.at), lane.name, mark.text, mark.hover]) for mark in lane.marks]
    lines.sort(key=lambda line: line[0])
    return {"head": ["Time, UTC", "Lane", "What", "Until"], "rows": [cells for _, cells in lines]}


def stamp(moment: datetime) -> str:
    """A time as Plotly reads it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _packed(bars: list[Bar], window: Window) -> list[int]:
    """A row for each bar, 0 at the top: important ones first, then the first row that is free."""
    order = sorted(range(len(bars)), key=lambda at: (list(TONES).index(bars[at].tone), bars[at].start))
    free: list[list[tuple[datetime, datetime]]] = [[] for _ in range(ROWS)]
    rows = [0] * len(bars)
    for at in order:
        start, end = bars[at].start, bars[at].end or window.end
        fits = (
            row for row, taken in enumerate(free) if all(end <= low or start >= high for low, high in taken)
        )
        rows[at] = next(fits, ROWS - 1)
        free[rows[at]].append((start, end))
    return rows


def _bars(lane: Lane, rows: list[int], axis: str, window: Window) -> list[dict[str, Any]]:
    """One trace a tone: Plotly draws a trace at once, a bar each would be slow."""
    traces = []
    for tone, colour in TONES.items():
        mine = [(bar, row) for bar, row in zip(lane.bars, rows, strict=True) if bar.tone == tone]
        if not mine:
            continue
        marker: dict[str, Any] = {"color": colour}
        if tone == "blind":
            marker = {"color": "$surface-pane", "pattern": {"shape": "/", "fgcolor": colour, "size": 5}}
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "yaxis": axis,
                "base": [stamp(bar.start) for bar, _ in mine],
                "x": [_milliseconds(bar, window) for bar, _ in mine],
                "y": [ABOVE if lane.curves else row for _, row in mine],
                **({"width": BESIDE} if lane.curves else {}),
                "text": [_fitting(bar, window) for bar, _ in mine],
                "hovertext": [bar.hover or bar.text for bar, _ in mine],
                "hoverinfo": "text",
                "textposition": "inside",
                "textangle": 0,
                "insidetextanchor": "start",
                "constraintext": "none",
                "cliponaxis": True,
                "marker": marker,
            }
        )
    return traces


def _marks(lane: Lane, axis: str) -> list[dict[str, Any]]:
    if not lane.marks:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "yaxis": axis,
            "x": [stamp(mark.at) for mark in lane.marks],
            "y": [0] * len(lane.marks),
            "hovertext": [f"{mark.text}<br>{mark.hover}" if mark.hover else mark.text for mark in lane.marks],
            "hoverinfo": "text",
            "marker": {
                "size": 11,
                "symbol": [mark.symbol for mark in lane.marks],
                "color": [mark.colour for mark in lane.marks],
            },
        }
    ]


def _axis(lane: Lane, last_row: int, bottom: float, top: float) -> dict[str, Any]:
    label = f"{lane.name}<br>{lane.note}" if lane.note else lane.name
    axis: dict[str, Any] = {
        "domain": [round(bottom, 4), round(top, 4)],
        "fixedrange": True,
        "showgrid": False,
        "tickvals": [last_row / 2],
        "ticktext": [label],
    }
    axis["range"] = [0, 100] if lane.curves else [last_row + 0.7, -0.7]
    if lane.curves:
        axis["tickvals"] = [50]
    return axis


def _link(at: datetime, colour: str) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": stamp(at),
        "x1": stamp(at),
        "y0": 0,
        "y1": 1,
        "line": {"color": colour, "width": 1.5},
    }


def _milliseconds(bar: Bar, window: Window) -> float:
    """The length that is drawn; what took no time at all is still to be seen."""
    least = window.seconds * 1000 / 400
    return max(least, ((bar.end or window.end) - bar.start).total_seconds() * 1000)


def _fitting(bar: Bar, window: Window) -> str:
    """As much of the label as the bar is long; nothing rather than a scrap."""
    room = int(min(1.0, _milliseconds(bar, window) / (window.seconds * 1000)) * CHARACTERS)
    if len(bar.text) <= room:
        return bar.text
    return f"{bar.text[: room - 1]}…" if room >= 6 else ""


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3]


def _until(bar: Bar) -> str:
    return _clock(bar.end) if bar.end else "still going on"
