"""Row now, ring on commit: what changed is written in the transaction that changed it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection, transaction

from apps.core.bulk import MOST_ROWS
from apps.core.locks import Lock
from apps.feed.kinds import KINDS
from apps.feed.models import FeedEntry

CHANNEL = "sentinel_bell"
LONGEST_CALL = 7_999  # bytes that PostgreSQL takes in one NOTIFY


def publish(
    kind: str, *, topics: Iterable[str], subject: tuple[str, int], by: str = "", **detail: Any
) -> FeedEntry:
    """The change is on every screen that shows one of `topics` as soon as the transaction commits.

    Call it last in the transaction: other writers wait for its lock until the commit.
    Raises ValueError for an unregistered kind and RuntimeError outside of a transaction.
    """
    if kind not in KINDS:
        raise ValueError(f"feed kind {kind!r} is not registered in apps/feed/kinds.py")
    return publish_many(
        [
            FeedEntry(
                kind=kind,
                topics=list(topics),
                subject_kind=subject[0],
                subject_id=subject[1],
                by=by,
                detail=detail,
            )
        ]
    )[0]


def publish_many(entries: list[FeedEntry]) -> list[FeedEntry]:
    """`publish` for several changes of one transaction: one lock, one insert, one ring."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a feed entry belongs into the transaction of its change")
    with connection.cursor() as cursor:  # both at once: the bell rings on commit, wherever it is pulled
        cursor.execute("SELECT pg_advisory_xact_lock(%s), pg_notify(%s, 'feed')", [int(Lock.FEED), CHANNEL])
    return FeedEntry.objects.bulk_create(entries, MOST_ROWS)


def ring(*names: str) -> None:
    """Wake every web process on commit: `feed`, `orders:<agent id>`, `people`. A missed ring costs a poll."""
    _call(list(names))


def hand(parcels: Mapping[str, str]) -> None:
    """`ring` each name, and hand its text to whoever hears it: what waits in a row then need not be fetched.

    A text too long for NOTIFY stays behind; that bell only rings.
    """
    calls = {name: f"{name} {text}" for name, text in parcels.items()}
    _call([call if len(call.encode()) <= LONGEST_CALL else name for name, call in calls.items()])


def _call(calls: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, call) FROM unnest(%s::text[]) AS call", [CHANNEL, calls])
