"""Rows of bars: packed so that none covers another, and folded into one row where they are too many."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

ROWS = 6  # bars of one lane that stand above each other
FOLDED = 5  # of those folded into one, named in its hover
IMPORTANCE = ("model", "foreign", "base", "ok", "blind")  # the first get the upper rows


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, or still does: `end` None. `text` is hostile. `knot`: the thread meets it.

    `ref` names the row that it stands for (`call:17`); a bar that stands for several has none.
    """

    start: datetime
    end: datetime | None
    tone: str
    text: str
    hover: str = ""
    knot: bool = False
    ref: str = ""


@dataclass(slots=True)
class _Row:
    """Stretches of one row that are taken, in order of time."""

    starts: list[datetime] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)

    def takes(self, start: datetime, end: datetime) -> bool:
        """Whether the stretch was free; then it is taken."""
        at = bisect_right(self.starts, start)
        if (at and self.ends[at - 1] > start) or (at < len(self.starts) and self.starts[at] < end):
            return False
        self.starts.insert(at, start)
        self.ends.insert(at, end)
        return True


def packed(bars: Sequence[Bar], now: datetime) -> list[tuple[Bar, int]]:
    """Each bar with its row, 0 at the top. What fits in no row is told by bars of the last one: "12 more"."""
    placed, left = _placed(bars, now, ROWS)
    if not left:
        return placed
    placed, left = _placed(bars, now, ROWS - 1)
    return placed + [(bar, ROWS - 1) for bar in _folded(left, now)]


def _placed(bars: Sequence[Bar], now: datetime, rows: int) -> tuple[list[tuple[Bar, int]], list[Bar]]:
    """Important ones first, each in the first row that is free; and those for which none was."""
    free = [_Row() for _ in range(rows)]
    placed: list[tuple[Bar, int]] = []
    left: list[Bar] = []
    for bar in sorted(bars, key=lambda bar: (not bar.knot, IMPORTANCE.index(bar.tone), bar.start)):
        row = next((at for at, taken in enumerate(free) if taken.takes(bar.start, bar.end or now)), None)
        if row is None:
            left.append(bar)
        else:
            placed.append((bar, row))
    return placed, left


def _folded(bars: Sequence[Bar], now: datetime) -> list[Bar]:
    """Stretches in which at least one of `bars` lasted."""
    groups: list[list[Bar]] = []
    reach: datetime | None = None
    for bar in sorted(bars, key=lambda bar: bar.start):
        if reach is None or bar.start > reach:
            groups.append([])
            reach = bar.start
        groups[-1].append(bar)
        reach = max(reach, bar.end or now)
    return [_fold(group) for group in groups]


def _fold(group: list[Bar]) -> Bar:
    end = None if any(bar.end is None for bar in group) else max(bar.end for bar in group if bar.end)
    tone = min((bar.tone for bar in group), key=IMPORTANCE.index)
    if len(group) == 1:
        return group[0]
    named = [bar.text for bar in group[:FOLDED]]
    rest = [f"and {len(group) - FOLDED:,} more"] if len(group) > FOLDED else []
    return Bar(group[0].start, end, tone, f"{len(group):,} more", "<br>".join(named + rest))
