"""What is drawn in one lane, as Plotly's traces: one a tone, for a trace each bar would be slow."""

from typing import Any

from apps.console.charts.lanes import PITCH, THICK, Lane, Strip, Window, stamp
from apps.console.charts.rows import Bar

BESIDE = 16  # how high bars are beside a curve, in per cent of the lane
SHORT = 8  # bars under this part of the window have their words above them
TONES = {
    "model": "$origin-model",
    "foreign": "$chart-foreign",
    "base": "$chart-other",
    "ok": "$ok",
    "blind": "$hatch",
}
KNOT = "\u2002"  # room for the knot at the beginning of a bar
Trace = dict[str, Any]


def traces(strip: Strip, window: Window) -> list[Trace]:
    """Everything of the lane, from the back to the front."""
    curves = [curve | {"yaxis": strip.axis} for curve in strip.lane.curves]
    return [*curves, *_bars(strip, window), *_words(strip, window), *_knots(strip), *_marks(strip)]


def _bars(strip: Strip, window: Window) -> list[Trace]:
    found = []
    for tone, colour in TONES.items():
        mine = [(bar, row) for bar, row in strip.bars if bar.tone == tone]
        if not mine:
            continue
        said = _spoken(mine) if strip.lane.curves else [bar.text for bar, _ in mine]
        found.append(
            {
                "type": "bar",
                "orientation": "h",
                "yaxis": strip.axis,
                "base": [stamp(bar.start) for bar, _ in mine],
                "x": [_milliseconds(bar, window) for bar, _ in mine],
                "y": [strip.level(row) for _, row in mine],
                "width": BESIDE if strip.lane.curves else _thickness(strip.lane, tone),
                "text": [
                    f"{KNOT}{text}" if bar.knot else text for (bar, _), text in zip(mine, said, strict=True)
                ],
                "hovertext": [bar.hover or bar.text for bar, _ in mine],
                "hoverinfo": "text",
                "customdata": [bar.ref for bar, _ in mine],
                "textangle": 0,
                "insidetextanchor": "start",
                "constraintext": "none",
                "cliponaxis": True,
                "marker": _marker(tone, colour, strip.lane),
            }
        )
    return found


def _spoken(bars: list[tuple[Bar, int]]) -> list[str]:
    """Beside a curve bars share one row: the thread's own, else the first, speaks for all."""
    first = next((bar for bar, _ in bars if bar.knot), min((bar for bar, _ in bars), key=lambda it: it.start))
    return [bar.text if bar is first else "" for bar, _ in bars]


def _thickness(lane: Lane, tone: str) -> int:
    """Time that nobody watched stands out of a band."""
    return lane.band if lane.band and tone != "blind" else THICK


def _marker(tone: str, colour: str, lane: Lane) -> dict[str, Any]:
    if tone == "blind":
        pattern = {"shape": "/", "fgcolor": colour, "size": 5}
        return {"color": "$surface-pane", "pattern": pattern, "line": {"color": colour, "width": 1}}
    pale = tone == "ok" or (lane.soft and tone != "base")
    return {"color": colour, "opacity": 0.4 if pale else 1}


def _words(strip: Strip, window: Window) -> list[Trace]:
    """Above the first row: what the joined bars say that are too short to carry it."""
    first = [bar for bar, row in strip.bars if strip.lane.head and bar.tone == "model" and row == 0]
    short = [bar for bar in first if _milliseconds(bar, window) * SHORT < window.seconds * 1000]
    if not short:
        return []
    return [
        {
            "type": "scatter",
            "mode": "text",
            "yaxis": strip.axis,
            "x": [stamp(bar.start) for bar in short],
            "y": [strip.level(0) - PITCH + 2] * len(short),
            "text": [bar.text for bar in short],
            "textposition": "middle right",
            "textfont": {"color": ["$origin-model"] * len(short)},
            "hoverinfo": "skip",
            "cliponaxis": True,
        }
    ]


def _knots(strip: Strip) -> list[Trace]:
    """Where the thread passes through a bar."""
    mine = [(bar, row) for bar, row in strip.bars if bar.knot]
    if not mine:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "yaxis": strip.axis,
            "x": [stamp(bar.start) for bar, _ in mine],
            "y": [strip.level(row) for _, row in mine],
            "hoverinfo": "skip",
            "marker": {
                "size": 8,
                "symbol": "circle",
                "color": "$surface-pane",
                "line": {"color": "$origin-model", "width": 1.5},
            },
        }
    ]


def _marks(strip: Strip) -> list[Trace]:
    marks = sorted(strip.lane.marks, key=lambda mark: mark.at)
    if not marks:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers+text",
            "yaxis": strip.axis,
            "x": [stamp(mark.at) for mark in marks],
            "y": [strip.height / 2] * len(marks),
            "text": [mark.label for mark in marks],
            "textposition": f"middle {strip.lane.labels}",
            "textfont": {"color": [mark.colour for mark in marks]},
            "hovertext": [f"{mark.text}<br>{mark.hover}" if mark.hover else mark.text for mark in marks],
            "hoverinfo": "text",
            "customdata": [mark.ref for mark in marks],
            "cliponaxis": False,
            "marker": {
                "size": 11,
                "symbol": [mark.symbol for mark in marks],
                "color": [mark.colour for mark in marks],
                "line": {"color": "$surface-pane", "width": 1},
            },
        }
    ]


def _milliseconds(bar: Bar, window: Window) -> float:
    """The length that is drawn; what took no time at all is still to be seen."""
    least = window.seconds * 1000 / 400
    return max(least, ((bar.end or window.edge) - bar.start).total_seconds() * 1000)
