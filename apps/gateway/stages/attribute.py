"""Attribute: alerts that have something to match are matched with tool calls, earlier ones again."""

from collections.abc import Iterator

from apps.attribution.selectors import Subject
from apps.attribution.services import Attributed, attribute, attribute_again
from apps.detection.services import AlertKey, AlertRow
from apps.gateway.stages.detect import Found
from apps.gateway.stages.store import Kept
from apps.incidents.correlation import Leaning, Leanings


def attribute_lot(
    kept: Kept, found: Found, ids: dict[AlertKey, int], errors: dict[int, float | None]
) -> Leanings:
    """The new alerts are attributed; so are earlier ones, of which this lot's tool calls tell more."""
    leanings = Leanings()
    keys = {pk: row.correlation_key for row, pk in _new(found, ids)}
    for one in attribute(list(_subjects(found, ids, errors)), book=kept.book):
        leanings.by_key.setdefault(keys[one.alert_id], []).append(leaning(one))
    if kept.calls:
        calls = [call.id for call in kept.calls]
        for one in attribute_again(calls, book=kept.book, apart=list(keys)):
            leanings.by_alert[one.alert_id] = leaning(one)
    return leanings


def _new(found: Found, ids: dict[AlertKey, int]) -> Iterator[tuple[AlertRow, int]]:
    for row in found.rows:
        pk = ids.get(row.key)
        if pk is not None:
            yield row, pk


def _subjects(found: Found, ids: dict[AlertKey, int], errors: dict[int, float | None]) -> Iterator[Subject]:
    for row, pk in _new(found, ids):
        call = found.calls.get(row.key)
        if row.run_id is None and row.process_id is None and call is None:
            continue
        yield Subject(
            alert_id=pk,
            host_id=row.host_id,
            run_id=row.run_id,
            process_id=row.process_id,
            occurred_at=row.occurred_at,
            clock_error_ms=errors.get(row.host_id),
            own_call=call,
        )


def leaning(one: Attributed) -> Leaning:
    """What one attribution says about its incident."""
    return Leaning(one.conclusion.origin, one.conclusion.strength)
