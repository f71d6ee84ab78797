"""Tool calls and episodes of a lot."""

from datetime import UTC, datetime
from typing import NamedTuple

from apps.core.jsontext import storable_json
from apps.fleet import runs
from apps.fleet.models import Episode
from apps.fleet.selectors import RunBook
from apps.gateway import otlp, records
from apps.gateway.lot import Item, Lot
from apps.gateway.otlp import Seen
from apps.telemetry import services
from apps.telemetry.rows import CallRow


class SeenCall(NamedTuple):
    """A tool call of which something became known."""

    item: Item | None  # None: it came through the trace door
    seen: Seen
    id: int
    fresh: bool
    host_id: int | None
    run_id: int | None


class Source(NamedTuple):
    """A span that was read, and where it came from."""

    item: Item | None
    seen: Seen
    host_id: int | None
    run_id: int | None
    received_at: datetime


def keep(lot: Lot, book: RunBook) -> list[SeenCall]:
    """The tool calls and episodes in the lot's spans are stored."""
    sources = []
    for item in lot.of(records.Span):
        seen = otlp.read_span(item.record.span, run=item.record.run or "")
        if seen is not None:
            run = book.named(seen.run)
            host = item.batch.host_id
            sources.append(Source(item, seen, host, run.pk if run else None, item.batch.received_at))
    return keep_sources(sources)


def keep_sources(sources: list[Source]) -> list[SeenCall]:
    """Tool calls and episodes of spans from whichever door; answers the calls that are news."""
    episodes = runs.keep_episodes(
        _episode(source, run_id)
        for source in sources
        if (run_id := source.run_id) is not None and source.seen.episode
    )
    called = [source for source in sources if source.seen.tool]
    ids = services.store_calls(_row(source, episodes) for source in called)
    news: dict[tuple[str, str], SeenCall] = {}
    for source in called:
        key = (source.seen.trace_id, source.seen.span_id)
        before = news.get(key)
        if key in ids and (before is None or not before.seen.captured):
            pk, fresh = ids[key]
            news[key] = SeenCall(source.item, source.seen, pk, fresh, source.host_id, source.run_id)
    return list(news.values())


def _episode(source: Source, run_id: int) -> Episode:
    seen = source.seen
    whole = not seen.tool  # the span of the episode itself, not of a call within it
    return Episode(
        run_id=run_id,
        native_id=seen.episode,
        global_step=seen.global_step,
        started_at=_moment(seen.started_at) if whole else None,
        ended_at=_moment(seen.ended_at) if whole and seen.ended_at else None,
        native_ids=storable_json(seen.native_ids),
    )


def _row(source: Source, episodes: dict[tuple[int, str], int]) -> CallRow:
    seen = source.seen
    return CallRow(
        trace_id=seen.trace_id,
        span_id=seen.span_id,
        parent_span_id=seen.parent_span_id,
        call_id=seen.call_id,
        name=seen.tool,
        arguments=seen.arguments,
        arguments_captured=seen.captured,
        run_id=source.run_id,
        episode_id=episodes.get((source.run_id or 0, seen.episode)),
        host_id=source.host_id,
        global_step=seen.global_step,
        started_at=_moment(seen.started_at),
        ended_at=_moment(seen.ended_at) if seen.ended_at else None,
        failed=seen.failed,
        received_at=source.received_at,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
