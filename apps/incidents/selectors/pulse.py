"""How fast alerts come: counted per five minutes over index ranges, at most so many each.

Alerts are found by key and id alone, so a time is first turned into "the first alert received since".
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

BUCKET = timedelta(minutes=5)
BUCKETS = 12
BAR_LIMIT = 100  # a bar says "100 or more" from there on
ESCALATES_FROM = 4  # alerts in the last five minutes

# Bisection over the primary key: about twenty probes a moment, whatever the size of the table.
_FIRST_SINCE = """
WITH RECURSIVE search(moment, lo, hi) AS (
  SELECT moment, (SELECT coalesce(min(id), 1) FROM detection_alert),
         (SELECT coalesce(max(id), 0) + 1 FROM detection_alert)
  FROM unnest(%s::timestamptz[]) AS moment
  UNION ALL
  SELECT moment, CASE WHEN found.received_at < moment THEN found.id + 1 ELSE lo END,
         CASE WHEN found.received_at < moment THEN hi ELSE (lo + hi) / 2 END
  FROM search, LATERAL (
    SELECT id, received_at FROM detection_alert WHERE id >= (lo + hi) / 2 ORDER BY id LIMIT 1
  ) AS found
  WHERE lo < hi
)
SELECT moment, lo FROM search WHERE lo >= hi ORDER BY moment
"""
_COUNTS = """
SELECT span.incident_id, part.place, sum(few.n)::int
FROM incidents_incidentspan AS span
CROSS JOIN unnest(%s::bigint[], %s::bigint[], %s::int[]) WITH ORDINALITY AS part(low, high, top, place)
CROSS JOIN LATERAL (
  SELECT count(*) AS n FROM (
    SELECT 1 FROM detection_alert AS alert
    WHERE alert.correlation_key = span.key
      AND alert.id >= greatest(part.low, span.first_alert_id)
      AND alert.id < part.high
      AND (span.last_alert_id IS NULL OR alert.id <= span.last_alert_id)
    LIMIT part.top
  ) AS taken
) AS few
WHERE span.incident_id = ANY(%s)
GROUP BY 1, 2
"""
# The hour before is counted only where the last minutes make it matter, and only as far as it matters.
_ESCALATING = """
SELECT span.incident_id, sum(coalesce(earlier.n, 0))::int, sum(late.n)::int
FROM incidents_incidentspan AS span
CROSS JOIN LATERAL (
  SELECT count(*) AS n FROM (
    SELECT 1 FROM detection_alert AS alert
    WHERE alert.correlation_key = span.key AND alert.id >= greatest(%(recently)s, span.first_alert_id)
      AND (span.last_alert_id IS NULL OR alert.id <= span.last_alert_id)
    LIMIT %(top)s
  ) AS part_of
) AS late
LEFT JOIN LATERAL (
  SELECT count(*) AS n FROM (
    SELECT 1 FROM detection_alert AS alert
    WHERE alert.correlation_key = span.key AND alert.id >= greatest(%(hour)s, span.first_alert_id)
      AND alert.id < %(recently)s AND (span.last_alert_id IS NULL OR alert.id <= span.last_alert_id)
    LIMIT late.n * %(parts)s / 3 + 1
  ) AS part_of
) AS earlier ON late.n >= %(from)s
WHERE span.incident_id = ANY(%(ids)s)
GROUP BY 1
"""
_BEYOND = 2**62


def sparklines(incident_ids: Sequence[int]) -> dict[int, list[int]]:
    """For each incident the alerts of the last hour in twelve parts, oldest first."""
    if not incident_ids:
        return {}
    now = timezone.now()
    starts = first_since(now - BUCKET * step for step in range(BUCKETS, 0, -1))
    return _counted(incident_ids, [*starts, _BEYOND], [BAR_LIMIT] * BUCKETS)


def escalating(incident_ids: Sequence[int]) -> set[int]:
    """Those whose last five minutes brought more than three times what a part of the hour before them did."""
    if not incident_ids:
        return set()
    now = timezone.now()
    hour, recently = first_since([now - BUCKET * BUCKETS, now - BUCKET])
    given = {
        "hour": hour,
        "recently": recently,
        "top": BAR_LIMIT,
        "from": ESCALATES_FROM,
        "parts": BUCKETS - 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ESCALATING, given | {"ids": list(incident_ids)})
        return {pk for pk, before, recent in cursor.fetchall() if escalates(before, recent)}


def escalates(before: int, recent: int) -> bool:
    """Whether the last part of the hour brought more than three times what a part before it did."""
    return bool(before) and recent >= ESCALATES_FROM and recent * (BUCKETS - 1) > 3 * before


def first_since(moments: Iterable[datetime]) -> list[int]:
    """The id of the first alert received at or after each moment (one past the last where there is none)."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_SINCE, [sorted(moments)])
        return [row[1] for row in cursor.fetchall()]


def _counted(incident_ids: Sequence[int], edges: list[int], tops: list[int]) -> dict[int, list[int]]:
    found = {pk: [0] * len(tops) for pk in incident_ids}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [edges[:-1], edges[1:], tops, list(incident_ids)])
        for pk, place, count in cursor.fetchall():
            found[pk][place - 1] = count
    return found
