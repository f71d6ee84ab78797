"""The lane that says who watched: green while the host agent was heard, hatched where it was not."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from apps.console.charts.lanes import Lane, Window
from apps.console.charts.rows import Bar
from apps.core.text import visible
from apps.fleet.choices import AgentState
from apps.fleet.models import Host, HostAgent
from apps.fleet.selectors import clock_ahead
from apps.telemetry.models import Event

SHOWN = 50
SILENT = timedelta(seconds=15)
BAND = 8


def lane(host: Host | None, window: Window) -> Lane:
    """One band: no stretch of it is both seen and unseen."""
    agent = HostAgent.objects.filter(host=host, state=AgentState.ACTIVE).first()
    ahead = clock_ahead(host)  # what the server knows by its clock is drawn in the host's
    heard = agent.last_seen_at + ahead if agent and agent.last_seen_at else None
    now = min(window.end, timezone.now() + ahead)
    began = agent.enrolled_at + ahead if agent else window.start
    blind = _gaps(host, window)
    blind.append(Bar(window.start, min(began, now), "blind", "", "before the host was enrolled"))
    if heard is None or heard < now - SILENT:
        blind.append(Bar(max(heard or window.start, window.start), now, "blind", "nobody was heard"))
    blind = [bar for bar in blind if bar.end and bar.start < bar.end]
    seen = _between(window.start, min(heard or window.start, now), blind)
    return Lane("Observed", bars=[*seen, *blind], band=BAND)


def _gaps(host: Host | None, window: Window) -> list[Bar]:
    rows = Event.objects.filter(
        host=host, kind="gap", occurred_at__gte=window.start, occurred_at__lte=window.end
    ).order_by("-occurred_at")[:SHOWN]
    return [_gap(row) for row in rows]


def _gap(row: Event) -> Bar:
    """From and to as the host told them, where it did; never longer than from there to the record of it."""
    end = row.occurred_at
    start = _moment(row.data.get("from_at")) or end - timedelta(seconds=1)
    start = min(start, end)
    dropped = row.data.get("dropped")
    lost = f", {dropped:,} records lost" if isinstance(dropped, int) and dropped else ""
    text = f"{(end - start).total_seconds():,.1f} s blind{lost}"
    why = visible(str(row.data.get("reason") or "no reason told"), limit=120)
    return Bar(start, end, "blind", text, f"{text}: {why}")


def _between(start: datetime, end: datetime, blind: list[Bar]) -> list[Bar]:
    """The parts from `start` to `end` that no bar of `blind` covers."""
    seen = []
    at = start
    for bar in sorted(blind, key=lambda bar: bar.start):
        if bar.start > at:
            seen.append(Bar(at, min(bar.start, end), "ok", "", "host agent heard"))
        at = max(at, bar.end or end)
        if at >= end:
            break
    if at < end:
        seen.append(Bar(at, end, "ok", "", "host agent heard"))
    return [bar for bar in seen if bar.end and bar.end > bar.start]


def _moment(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None
