"""The story of a batch, and of a report: from the inbox to an incident. Only here is its order known."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from apps.attribution.services import News, attribute_again
from apps.core.text import storable
from apps.detection.services import raise_alerts
from apps.fleet.models import TrainingRun
from apps.fleet.runs import record_acts
from apps.fleet.selectors import RunBook, run_book
from apps.gateway.lot import sort_out
from apps.gateway.otlp import Seen
from apps.gateway.stages.announce import announce
from apps.gateway.stages.attribute import attribute_lot, leaning
from apps.gateway.stages.calls import Source, keep_sources
from apps.gateway.stages.detect import detect
from apps.gateway.stages.reports import detect_reports
from apps.gateway.stages.store import Kept, store
from apps.gateway.standby import stand_by
from apps.incidents import correlation
from apps.incidents.correlation import Joined, Leanings
from apps.telemetry import inbox, reports
from apps.telemetry.inbox import Waiting
from apps.telemetry.reports import WaitingReport

log = logging.getLogger(__name__)
# SQLSTATE classes that say "not now" and nothing about the batch: connection, resources, shutdown, deadlock.
NOT_NOW = ("08", "40", "53", "55", "57", "58")


@dataclass(frozen=True, slots=True)
class Box:
    """Where something waits, and its story."""

    word: str
    take: Callable[[int | None], list[Any]]
    tell: Callable[[list[Any]], None]
    failed: Callable[[int, str], None]


def work_off() -> int:
    """The next batches and reports that wait are worked off, all of them or none; how many there were.

    One that cannot be is tried alone, so that it holds up nobody else. Raises OperationalError (or
    InterfaceError) where the trouble is the database's and not the batch's.
    """
    return _work_off(BATCHES) + _work_off(REPORTS)


def _work_off(box: Box) -> int:
    taken: list[Any] = []
    try:
        with transaction.atomic():
            taken = box.take(None)
            box.tell(taken)
    except Exception as error:
        if not taken or _not_now(error):
            raise
        reason = type(error).__name__
        log.warning("A lot of %d (%s) failed (%s): each is tried alone.", len(taken), box.word, reason)
        for one in taken:
            _alone(box, one.id)
    return len(taken)


def work_off_alone(pk: int) -> None:
    """The batch is worked off, or has one attempt less and holds why."""
    _alone(BATCHES, pk)


def _alone(box: Box, pk: int) -> None:
    try:
        with transaction.atomic():
            box.tell(box.take(pk))
    except Exception as error:
        if _not_now(error):
            raise
        log.exception("The %s %d could not be worked off.", box.word, pk)
        box.failed(pk, f"{type(error).__name__}: {error}")


def tell(taken: list[Waiting]) -> None:
    """Store, detect, attribute, correlate, announce: in the transaction that marks the batches as done."""
    if not taken:
        return
    lot = sort_out(taken)
    stand_by(taken)
    kept = store(lot)
    stand_by(taken)
    found = detect(lot, kept)
    joined = correlation.join(list(found.groups.values()))
    stand_by(taken)
    ids = raise_alerts(found.rows)
    stand_by(taken)
    found.keep_only(ids)
    errors = {batch.host_id: batch.clock_error_ms for batch in taken}
    leanings = attribute_lot(kept, found, ids, errors)
    grown = correlation.grow(list(found.groups.values()), joined, leanings)
    inbox.done(taken)
    record_acts(kept.runs.acts)
    announce(kept, grown)


def tell_reports(taken: list[WaitingReport]) -> None:
    """Place, detect, attribute, correlate, announce: in the transaction that marks the reports as done."""
    if not taken:
        return
    stand_by(taken)
    kept, found = detect_reports(taken)
    joined = correlation.join(list(found.groups.values()))
    ids = raise_alerts(found.rows)
    found.keep_only(ids)
    leanings = attribute_lot(kept, found, ids, {})  # nobody has measured the clocks of these sensors
    grown = correlation.grow(list(found.groups.values()), joined, leanings)
    reports.done(taken)
    announce(kept, grown)


BATCHES = Box("batch", lambda only: inbox.take(only=only), tell, inbox.failed)
REPORTS = Box("report", lambda only: reports.take(only=only), tell_reports, reports.failed)


def tell_traces(spans: list[Seen], *, of: TrainingRun | None = None) -> None:
    """Tool calls that training code sent itself: stored, and earlier alerts are matched with them.

    All are of one run where `of` says which; else of the runs that they name.
    """
    if not spans:
        return
    now = timezone.now()
    with transaction.atomic():
        book = run_book([], names=_names(spans, of), since=now)
        kept = Kept(book, calls=keep_sources([_source(seen, book, now, of) for seen in spans]))
        news = News(calls=kept.calls.ids())
        again = attribute_again(news, book=book, apart=[])
        because = news.because
        leanings = Leanings(by_alert={one.alert_id: leaning(one, because=because) for one in again})
        announce(kept, correlation.grow([], Joined(), leanings))


def _names(spans: list[Seen], of: TrainingRun | None) -> set[str]:
    return {of.marker} if of else {storable(seen.run, limit=120) for seen in spans if seen.run}


def _source(seen: Seen, book: RunBook, now: datetime, of: TrainingRun | None) -> Source:
    run = of or book.named(seen.run)
    return Source(None, seen, None, run.pk if run else None, now)


def _not_now(error: Exception) -> bool:
    if isinstance(error, InterfaceError):
        return True
    state = getattr(error.__cause__, "sqlstate", None) if isinstance(error, DatabaseError) else None
    if state is None:
        return isinstance(error, OperationalError)
    return str(state).startswith(NOT_NOW)
