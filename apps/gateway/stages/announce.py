"""Announce: what changed is on the feed, as the last thing before the commit."""

from collections.abc import Iterable, Iterator

from apps.feed.models import FeedEntry
from apps.feed.services import publish_many
from apps.gateway.stages.store import Kept
from apps.incidents.correlation import Grown


def announce(kept: Kept, grown: Iterable[Grown]) -> None:
    """Everybody who looks at something that changed is told, once."""
    entries = [*_incidents(grown), *_runs(kept), *_calls(kept), *_hosts(kept)]
    if entries:
        publish_many(entries)


def _incidents(grown: Iterable[Grown]) -> Iterator[FeedEntry]:
    for one in grown:
        kind = "incident.opened" if one.opened else "incident.grew" if one.count else "incident.changed"
        topics = ["queue", f"incident:{one.incident_id}"]
        topics += [f"run:{one.run_id}"] if one.run_id is not None else []
        detail = {"count": one.count, "level": one.level, "changed": one.changed}
        yield _entry(kind, topics, "incident", one.incident_id, **detail)


def _runs(kept: Kept) -> Iterator[FeedEntry]:
    for pk in sorted(kept.runs.started):
        yield _entry("run.started", [f"run:{pk}", "fleet"], "run", pk)
    for pk in sorted(kept.runs.changed):
        yield _entry("run.changed", [f"run:{pk}", "fleet"], "run", pk)


def _calls(kept: Kept) -> Iterator[FeedEntry]:
    """One entry a run: a page that shows its tool calls reads them again."""
    last = {run: pk for pk, run in kept.calls.placed.items()}
    last |= {call.run_id: call.id for call in kept.calls.seen if call.run_id is not None}
    for run, pk in sorted(last.items()):
        yield _entry("toolcall.changed", [f"run:{run}"], "toolcall", pk)


def _hosts(kept: Kept) -> Iterator[FeedEntry]:
    for pk in sorted(kept.hosts):
        yield _entry("host.changed", ["fleet"], "host", pk)


def _entry(kind: str, topics: list[str], subject: str, pk: int, **detail: object) -> FeedEntry:
    return FeedEntry(kind=kind, topics=topics, subject_kind=subject, subject_id=pk, detail=detail)
