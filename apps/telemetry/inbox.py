"""The inbox: what waits, who works at it, and what could not be worked off."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from apps.core.bulk import rows, run
from apps.core.text import storable
from apps.feed.services import publish
from apps.telemetry.choices import BatchState
from apps.telemetry.models import Batch, Report

MOST_BATCHES = 64
MOST_RECORDS = 8_000  # in one lot: many cost less together, and the first wait for the last
MOST_BYTES = 4 * 1024 * 1024  # of bodies as sent, in one lot
ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=2)


class Waiting(NamedTuple):
    """A batch that this transaction works off."""

    id: int
    agent_id: int
    host_id: int
    host_name: str
    sequence: int
    received_at: datetime
    attempts: int
    encoding: str
    clock_offset_ms: float | None
    clock_error_ms: float | None
    body: bytes


# One worker an agent at a time, so its batches are worked off in their order; and half of the agents that
# wait at a time, so that another worker finds some too.
TAKE = """
WITH waiting AS (
    SELECT id, agent_id FROM telemetry_batch
     WHERE state = 'pending' AND (attempts = 0 OR worked_at < %(retry)s)
       AND (%(only)s::bigint IS NULL OR id = %(only)s)
     ORDER BY id LIMIT 512),
voices AS (
    SELECT id FROM fleet_hostagent WHERE id IN (SELECT agent_id FROM waiting)
     ORDER BY id LIMIT (SELECT (count(DISTINCT agent_id) + 1) / 2 FROM waiting) FOR NO KEY UPDATE SKIP LOCKED)
SELECT b.id, octet_length(b.body), COALESCE(b.records, 0), b.attempts
  FROM telemetry_batch b
 WHERE b.id IN (SELECT id FROM waiting) AND b.agent_id IN (SELECT id FROM voices) AND b.state = 'pending'
 ORDER BY b.id LIMIT %(batches)s FOR UPDATE OF b SKIP LOCKED
"""
OPEN = """
SELECT b.id, b.agent_id, a.host_id, h.name, b.sequence, b.received_at, b.attempts, b.encoding,
       a.clock_offset_ms, a.clock_error_ms, b.body
  FROM telemetry_batch b JOIN fleet_hostagent a ON a.id = b.agent_id JOIN fleet_host h ON h.id = a.host_id
 WHERE b.id = ANY(%s) ORDER BY b.id
"""

DEPTH = """
SELECT count(*), COALESCE(sum(records), 0)
  FROM (SELECT records FROM telemetry_batch WHERE state = 'pending' AND attempts = 0 LIMIT %s) AS waiting
"""


def take(*, only: int | None = None) -> list[Waiting]:
    """Batches that wait, oldest first, held until the end of this transaction.

    One that failed before comes alone, so that it can spoil nothing but itself.
    """
    found = rows(
        TAKE,
        {
            "retry": timezone.now() - RETRY_AFTER,
            "only": only,
            "batches": MOST_BATCHES,
        },
    )
    opened = rows(OPEN, [chosen(found)]) if found else []
    return [Waiting._make((*row[:-1], bytes(row[-1]))) for row in opened]


def chosen(found: list[tuple[int, int, int, int]]) -> list[int]:
    """Of what waits (id, bytes, records, attempts), oldest first, as much as one lot holds; one that failed
    before comes alone.
    """
    if found[0][3]:
        return [found[0][0]]
    lot: list[int] = []
    size = records = 0
    for pk, length, number, attempts in found:
        size, records = size + length, records + number
        if attempts or (lot and (size > MOST_BYTES or records > MOST_RECORDS)):
            break
        lot.append(pk)
    return lot


def is_waiting() -> bool:
    """Whether anything is left that was not tried yet; another worker may be about to take it."""
    return Batch.objects.filter(state=BatchState.PENDING, attempts=0).exists()


def is_deep() -> bool:
    """Whether more waits than one worker takes at once."""
    ((batches, records),) = rows(DEPTH, [MOST_BATCHES])
    return bool(batches >= MOST_BATCHES or records >= MOST_RECORDS)


def done(taken: list[Waiting]) -> None:
    """The batches are worked off, when this transaction commits."""
    run(
        "UPDATE telemetry_batch SET state = 'done', worked_at = %s, error = '' WHERE id = ANY(%s)",
        [timezone.now(), [batch.id for batch in taken]],
    )


def failed(pk: int, problem: str) -> None:
    """The batch has one attempt less; after the last it is a dead letter, kept as it was received."""
    attempt_failed(Batch, "batch", pk, problem)


def attempt_failed(kept: type[Batch | Report], word: str, pk: int, problem: str) -> None:
    """One attempt less for what was received; after the last it is dead, and the fleet page is told."""
    with transaction.atomic():
        one = kept.objects.select_for_update().defer("body").get(pk=pk)
        if one.state != BatchState.PENDING:
            return
        one.attempts += 1
        one.error = storable(problem, limit=400)
        one.worked_at = timezone.now()
        if one.attempts >= ATTEMPTS:
            one.state = BatchState.DEAD
        one.save(update_fields=["attempts", "error", "worked_at", "state"])
        if one.state == BatchState.DEAD:
            publish(f"{word}.dead", topics=["fleet"], subject=(word, pk), error=one.error)
