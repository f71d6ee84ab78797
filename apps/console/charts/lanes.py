"""Lanes: what stands in one strip of a figure, and how high the strip is.

Heights are pixels: each lane's axis counts from its top, so a bar is as high in every figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.console.charts.rows import Bar, packed

Span = tuple[datetime, datetime]
ABOVE = 90  # where bars stand in a lane whose height is per cent of a curve
PITCH, THICK, PAD, HEAD = 20, 14, 9, 16  # pixels: row to row, a bar, above and below, words above the rows
CURVE, LEAST = 76, 40
SYMBOLS = {
    "critical": ("diamond", "$sev-critical"),
    "high": ("triangle-up", "$sev-high"),
    "medium": ("circle", "$sev-medium"),
    "low": ("circle-open", "$sev-low"),
    "info": ("line-ew-open", "$sev-info"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at once. `label` stands beside it where there is room; `ref` as in a bar."""

    at: datetime
    symbol: str
    colour: str
    text: str
    hover: str = ""
    label: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A line from what caused it, in the first lane, to what came of it; the thread itself is `strong`."""

    start: datetime
    end: datetime
    strong: bool = False


@dataclass(slots=True)
class Lane:
    """One strip: its name on the left, what is in it, and how its bars look."""

    name: str
    note: str = ""
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    band: int = 0  # pixels: bars share one row of this height
    soft: bool = False  # bars are paler than those of other lanes
    head: bool = False  # words of short joined bars stand above the first row
    labels: str = "left"  # the side of a mark on which its label stands


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time that a figure shows; `now` is drawn where it lies inside."""

    start: datetime
    end: datetime
    now: datetime | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(1.0, (self.end - self.start).total_seconds())

    @property
    def edge(self) -> datetime:
        """How far a bar reaches that is still going on: nobody has seen the future."""
        return min(self.end, self.now) if self.now else self.end


@dataclass(frozen=True, slots=True)
class Strip:
    """A lane in its place: the axis it is drawn on, the row of each bar, the pixels above it."""

    lane: Lane
    axis: str
    bars: list[tuple[Bar, int]]
    top: int

    @property
    def height(self) -> int:
        """In pixels."""
        if self.lane.curves:
            return CURVE
        if self.lane.band:
            return self.lane.band + 2 * PAD - 2
        return max(LEAST, 2 * PAD + self._head + self._inked)

    def level(self, row: int) -> float:
        """The middle of a row, in the units of the lane's axis."""
        if self.lane.curves:
            return ABOVE
        if self.lane.band:
            return self.height / 2
        free = self.height - self._head - self._inked
        return self._head + free / 2 + row * PITCH + THICK / 2

    @property
    def _head(self) -> int:
        return HEAD if self.lane.head else 0

    @property
    def _inked(self) -> int:
        rows = max((row for _, row in self.bars), default=0) + 1
        return rows * PITCH - (PITCH - THICK)


def stacked(lanes: Sequence[Lane], window: Window) -> list[Strip]:
    """Each lane below the one before it."""
    strips: list[Strip] = []
    top = 0
    for place, lane in enumerate(lanes, start=1):
        bars = [(bar, 0) for bar in lane.bars] if lane.band else packed(lane.bars, window.edge)
        strips.append(Strip(lane, "y" if place == 1 else f"y{place}", bars, top))
        top += strips[-1].height
    return strips


def stamp(moment: datetime) -> str:
    """A time as Plotly reads it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
