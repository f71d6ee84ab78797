"""Attribute: alerts that have something to match are matched with tool calls, earlier ones again."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from apps.attribution.selectors.cases import Subject
from apps.attribution.services import Attributed, News, attribute, attribute_again
from apps.detection.services import AlertKey, AlertRow
from apps.gateway.stages.detect import Found
from apps.gateway.stages.store import Kept
from apps.incidents.correlation import Leaning, Leanings
from apps.telemetry.flows import Flow, read_flow

LATE = timedelta(seconds=10)
FLOW = '"flow"'  # in the text of an alert's detail


def attribute_lot(
    kept: Kept, found: Found, ids: dict[AlertKey, int], errors: dict[int, float | None]
) -> Leanings:
    """The new alerts are attributed; so are earlier ones, of which this lot's tool calls tell more."""
    leanings = Leanings()
    keys = {pk: row.correlation_key for row, pk in _new(found, ids)}
    for one in attribute(list(_subjects(found, ids, errors)), book=kept.book):
        leanings.by_key.setdefault(keys[one.alert_id], []).append(leaning(one))
    news = news_of(kept)
    if news.calls or news.processes or news.sockets:
        for one in attribute_again(news, book=kept.book, apart=list(keys)):
            leanings.by_alert[one.alert_id] = leaning(one, because=news.because)
    return leanings


def news_of(kept: Kept) -> News:
    """What of the lot may tell more of earlier alerts. Processes only where they come late, from a spool:
    those that come in time were there before anything could be raised about them.
    """
    news = News(calls=kept.calls.ids())
    for seen in kept.processes:
        if seen.row.started_at < seen.row.received_at - LATE:
            news.processes.setdefault(seen.row.host_id, []).append(seen.row.started_at)
    news.sockets = [one.row.opened_at for one in kept.sockets if one.row.remote]
    return news


def _new(found: Found, ids: dict[AlertKey, int]) -> Iterator[tuple[AlertRow, int]]:
    for row in found.rows:
        pk = ids.get(row.key)
        if pk is not None:
            yield row, pk


def _subjects(found: Found, ids: dict[AlertKey, int], errors: dict[int, float | None]) -> Iterator[Subject]:
    for row, pk in _new(found, ids):
        call = found.calls.get(row.key)
        flow = _flow(row)
        if row.run_id is None and row.process_id is None and call is None and flow is None:
            continue
        yield Subject(
            alert_id=pk,
            host_id=row.host_id,
            run_id=row.run_id,
            process_id=row.process_id,
            occurred_at=row.occurred_at,
            clock_error_ms=errors.get(row.host_id),
            own_call=call,
            flow=flow,
        )


def _flow(row: AlertRow) -> Flow | None:
    """What a sensor on the wire saw of it."""
    if FLOW not in row.detail:
        return None
    told = msgspec.json.decode(row.detail)
    return read_flow(told.get("flow"), host_id=None, at=row.occurred_at) if isinstance(told, dict) else None


def leaning(one: Attributed, *, because: str = "") -> Leaning:
    """What one attribution says about its incident, and what it said before."""
    before = (one.before.origin, one.before.strength) if one.before else None
    return Leaning(one.conclusion.origin, one.conclusion.strength, before, because, one.run_id)
