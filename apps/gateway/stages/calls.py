"""Tool calls and episodes of a lot."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from apps.core.jsontext import storable_json
from apps.core.text import storable
from apps.fleet import runs
from apps.fleet.models import Episode
from apps.fleet.selectors import RunBook
from apps.gateway import otlp, records
from apps.gateway.lot import Item, Lot
from apps.gateway.otlp import Seen
from apps.gateway.stages.processes import SeenProcess
from apps.telemetry import calls, chain
from apps.telemetry.choices import TOLD, KnownFrom
from apps.telemetry.rows import CallKey, CallRow, LinkRow

Place = tuple[int, str]  # a run, and what it calls something of its own

MOST_ASKED = 10_000  # calls of one lot that answers ask for: what is beyond is known by its spans
MOST_NAMED = 200  # calls that the processes of one run make known in one lot: they may name any number


class SeenCall(NamedTuple):
    """A tool call of which something became known."""

    item: Item | None  # None: it came through the trace door
    seen: Seen
    id: int
    fresh: bool
    text_is_new: bool
    host_id: int | None
    run_id: int | None


class Source(NamedTuple):
    """A span that was read, and where it came from."""

    item: Item | None
    seen: Seen
    host_id: int | None
    run_id: int | None
    received_at: datetime
    known_from: KnownFrom = KnownFrom.SPAN
    asked_key: str = ""


@dataclass(slots=True)
class Calls:
    """The calls that are news, and earlier ones that found their run, episode or step."""

    seen: list[SeenCall] = field(default_factory=list)
    placed: dict[int, int] = field(default_factory=dict)  # the run of each

    def ids(self) -> list[int]:
        """All of them."""
        return sorted({call.id for call in self.seen} | self.placed.keys())


def keep(lot: Lot, book: RunBook, processes: Iterable[SeenProcess]) -> Calls:
    """The tool calls and episodes in the lot's spans are stored, and those that its processes name."""
    sources = []
    for item in lot.of(records.Span):
        seen = otlp.read_span(item.record.span, run=item.record.run or "")
        if seen is not None:
            run = book.named(seen.run)
            host = item.batch.host_id
            sources.append(Source(item, seen, host, run.pk if run else None, item.batch.received_at))
    return keep_sources([*sources, *_named(processes, book)], begun=_begun(lot, book))


def keep_sources(sources: list[Source], *, begun: dict[int, list[str]] | None = None) -> Calls:
    """Tool calls and episodes of spans from whichever door. `begun`: runs that began, by their names."""
    found = [_link(source) for source in sources if source.known_from == KnownFrom.SPAN]
    links = [link for link in found if link is not None]
    chain.store_links(links)
    episodes = runs.keep_episodes(_episodes(sources))
    called = [source for source in sources if source.seen.tool or source.known_from not in TOLD]
    called += islice((one for source in sources for one in _asked(source)), MOST_ASKED)
    sandboxes = runs.keep_sandboxes(
        (source.run_id, source.seen.sandbox, source.host_id)
        for source in called
        if source.run_id is not None and source.seen.sandbox
    )
    stored = calls.store_calls(_row(source, episodes, sandboxes) for source in called)
    news = _news(called, stored)
    claimed = [pk for run, names in (begun or {}).items() for pk in calls.claim_calls(run, names=names)]
    linked = {link.trace_id for link in links}
    wanted = chain.lacking(linked=linked, calls=[*news, *claimed], keys=stored.keys())
    return Calls(list(news.values()), _placed(wanted))


def _news(called: list[Source], stored: dict[CallKey, calls.Stored]) -> dict[int, SeenCall]:
    """Each call of which something was learnt, by its id; by what tells its text, where anything does."""
    news: dict[int, SeenCall] = {}
    for source in called:
        one = stored.get((source.seen.trace_id, source.seen.span_id))
        before = news.get(one.id) if one else None
        if one and (before is None or not before.seen.captured):
            news[one.id] = SeenCall(source.item, source.seen, *one, source.host_id, source.run_id)
    return news


def _begun(lot: Lot, book: RunBook) -> dict[int, list[str]]:
    starts = (book.named(item.record.marker or item.record.run) for item in lot.of(records.RunStart))
    return {run.pk: [run.name, run.marker] for run in starts if run is not None}


def _placed(wanted: list[int]) -> dict[int, int]:
    """The calls stand where the spans above them say."""
    found = chain.above(wanted)
    episodes = runs.keep_episodes(
        Episode(run_id=one.run_id, native_id=one.episode, global_step=one.global_step)
        for one in found
        if one.episode
    )
    places = [
        chain.Place(one.call_id, one.run_id, episodes.get((one.run_id, one.episode)), one.global_step)
        for one in found
    ]
    return chain.place_calls(places)


def _link(source: Source) -> LinkRow | None:
    """Where the span stands; of a tool call's own, only what cannot be kept with it yet."""
    seen = source.seen
    if seen.tool and (source.run_id is not None or not seen.episode):
        return None
    return LinkRow(
        trace_id=seen.trace_id,
        span_id=seen.span_id,
        parent_span_id=seen.parent_span_id,
        run_id=source.run_id,
        said_run=_said_run(source),
        episode=seen.episode,
        global_step=seen.global_step,
        received_at=source.received_at,
    )


def _asked(source: Source) -> Iterator[Source]:
    """The calls that an answer asked for, each as if it had begun when the answer was there."""
    seen = source.seen
    if seen.ended_at is None:
        return
    for place, one in enumerate(seen.asked):
        text = f"asked {seen.trace_id} {seen.span_id} {place}"
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        call = replace(
            seen,
            span_id=key,
            parent_span_id=seen.span_id,
            started_at=seen.ended_at,
            ended_at=None,
            failed=False,
            tool=one.name,
            call_id=one.call_id,
            arguments=one.arguments,
            captured=one.captured,
            asked=(),
        )
        yield source._replace(seen=call, known_from=KnownFrom.ASKED, asked_key=key)


def _named(processes: Iterable[SeenProcess], book: RunBook) -> Iterator[Source]:
    """Calls that a run's processes name before any span does.

    An agent can name what it likes, so a process counts only where it is of a run and not the run's root,
    where it has the name not from its parent, and up to a number.
    """
    number: Counter[int] = Counter()
    for process in processes:
        row = process.row
        if row.run_id is None or not row.traceparent or row.traceparent == process.parent_traceparent:
            continue
        roots = {(one.root_pid, one.root_start_ticks) for one in book.placements.get(row.host_id, ())}
        ids = otlp.named_by(row.traceparent)
        if ids is None or (row.pid, row.start_ticks) in roots or number[row.run_id] >= MOST_NAMED:
            continue
        number[row.run_id] += 1
        seen = otlp.bare(*ids, started_at=row.started_at.timestamp())
        yield Source(process.item, seen, row.host_id, row.run_id, row.received_at, KnownFrom.PROCESS)


def _episodes(sources: list[Source]) -> Iterator[Episode]:
    """Each episode once, by its own span where that is there, else by one of its calls."""
    told: dict[tuple[int, str], Source] = {}
    for source in sources:
        if source.run_id is None or not source.seen.episode:
            continue
        if source.seen.whole:
            told[source.run_id, source.seen.episode] = source
        elif source.seen.tool:
            told.setdefault((source.run_id, source.seen.episode), source)
    for (run_id, _), source in told.items():
        yield _episode(source, run_id)


def _episode(source: Source, run_id: int) -> Episode:
    seen = source.seen
    whole = seen.whole  # the span of the episode itself, not of a call within it
    return Episode(
        run_id=run_id,
        native_id=seen.episode,
        global_step=seen.global_step,
        started_at=_moment(seen.started_at) if whole and not _startless(seen) else None,
        ended_at=_moment(seen.ended_at) if whole and seen.ended_at else None,
        native_ids=storable_json(seen.native_ids),
    )


def _row(source: Source, episodes: dict[Place, int], sandboxes: dict[Place, int]) -> CallRow:
    seen = source.seen
    after = seen.told_after and source.known_from == KnownFrom.SPAN
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
        known_from=(KnownFrom.RECORD if after else source.known_from).value,
        said_run=_said_run(source),
        asked_key=source.asked_key,
        sandbox_id=sandboxes.get((source.run_id or 0, seen.sandbox)) if seen.sandbox else None,
    )


def _startless(seen: Seen) -> bool:
    """Whether its start is only its end, for want of another."""
    return seen.told_after and seen.ended_at == seen.started_at


def _said_run(source: Source) -> str:
    return storable(source.seen.run, limit=120) if source.run_id is None else ""


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
