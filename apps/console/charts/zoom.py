"""The stretch of time that somebody zoomed to, as the browser asks for it: two moments in milliseconds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from apps.console.charts.lanes import Span

LEAST = timedelta(milliseconds=50)
LAST_MS = 4_102_444_800_000  # the year 2100


def asked(query: Mapping[str, str]) -> Span | None:
    """From `from` to `to`; None where nobody zoomed, or to what is no stretch of time."""
    start, end = _moment(query.get("from", "")), _moment(query.get("to", ""))
    if start is None or end is None or start >= end:
        return None
    return start, max(end, start + LEAST)


def _moment(text: str) -> datetime | None:
    if not (text.isascii() and text.isdecimal() and len(text) < 15 and int(text) < LAST_MS):
        return None
    return datetime.fromtimestamp(int(text) / 1000, tz=UTC)
