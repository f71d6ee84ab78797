"""Reports of alert sources: kept on arrival, worked off once, dead where they cannot be."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from apps.core.bulk import rows
from apps.fleet.models import AlertSource
from apps.telemetry.choices import BatchState
from apps.telemetry.inbox import RETRY_AFTER, attempt_failed, chosen
from apps.telemetry.models import Report

MOST_REPORTS = 32
MOST_WAITING = 1_000  # of one source


class WaitingReport(NamedTuple):
    """A report that this transaction works off."""

    id: int
    source_id: int
    source_name: str
    format: str
    encoding: str
    received_at: datetime
    body: bytes


TAKE = """
SELECT id, octet_length(body), 0, attempts FROM telemetry_report
 WHERE state = 'pending' AND (attempts = 0 OR worked_at < %s) AND (%s::bigint IS NULL OR id = %s)
 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
OPEN = """
SELECT r.id, r.source_id, s.name, s.format, r.encoding, r.received_at, r.body
  FROM telemetry_report r JOIN fleet_alertsource s ON s.id = r.source_id WHERE r.id = ANY(%s) ORDER BY r.id
"""


def keep(source: AlertSource, *, body: bytes, encoding: str, told: dict[str, Any]) -> tuple[Report, bool]:
    """The report is there once, however often it is sent; True when it was not there before."""
    return Report.objects.get_or_create(
        source=source,
        digest=hashlib.sha256(body).hexdigest(),
        defaults={"body": body, "encoding": encoding, "received_at": timezone.now(), "told": told},
    )


def is_full(source: AlertSource) -> bool:
    """Whether so much of this source waits that it has to send later."""
    waiting = Report.objects.filter(state=BatchState.PENDING, source=source).values_list("pk")
    return len(waiting[:MOST_WAITING]) >= MOST_WAITING


def take(*, only: int | None = None) -> list[WaitingReport]:
    """Reports that wait, oldest first, held until the end of this transaction; one that failed alone."""
    found = rows(TAKE, [timezone.now() - RETRY_AFTER, only, only, MOST_REPORTS])
    opened = rows(OPEN, [chosen(found)]) if found else []
    return [WaitingReport._make((*row[:-1], bytes(row[-1]))) for row in opened]


def is_waiting() -> bool:
    """Whether a report is left that was not tried yet."""
    return Report.objects.filter(state=BatchState.PENDING, attempts=0).exists()


def done(taken: Sequence[WaitingReport]) -> None:
    """The reports are worked off, when this transaction commits."""
    ids = [report.id for report in taken]
    Report.objects.filter(pk__in=ids).update(state=BatchState.DONE, worked_at=timezone.now(), error="")


def failed(pk: int, problem: str) -> None:
    """The report has one attempt less; after the last it is dead, kept as it was received."""
    attempt_failed(Report, "report", pk, problem)


NEW = """
INSERT INTO telemetry_nativeid (source_id, digest, report_id)
SELECT * FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[])
    ON CONFLICT (source_id, digest) DO NOTHING RETURNING source_id, digest
"""


def first_told(told: Sequence[tuple[int, bytes, int]]) -> set[tuple[int, bytes]]:
    """Of these (source, hashed id, report) the ones that no report had told before: source and id."""
    if not told:
        return set()
    once = {(source, native): report for source, native, report in reversed(told)}
    lines = [(source, native, once[source, native]) for source, native in sorted(once)]
    found = rows(NEW, [list(column) for column in zip(*lines, strict=True)])
    return {(source, bytes(native)) for source, native in found}
