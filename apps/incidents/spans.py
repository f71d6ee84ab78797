"""Which alerts an incident holds: the spans of its keys. Whoever changes them locks them first.

Correlation shares the open spans of its keys before it inserts alerts: several workers may hold one at a
time, and nobody can close it meanwhile. Closing an incident locks them for itself, in the same order and
before the incident's own row, and so waits for alerts under way.
"""

from collections.abc import Iterable

from apps.core.bulk import MOST_ROWS, rows
from apps.incidents.models import IncidentSpan

LOCK = """
SELECT key, incident_id FROM incidents_incidentspan
 WHERE key = ANY(%s) AND last_alert_id IS NULL ORDER BY key FOR SHARE
"""
PEEK = "SELECT count(*) FROM incidents_incidentspan WHERE key = ANY(%s) AND last_alert_id IS NULL"
# Alerts of a locked key draw their ids after the lock, so this number lies before them and after all earlier.
NEXT = "SELECT nextval(pg_get_serial_sequence('detection_alert', 'id'))"
BEFORE = """
SELECT DISTINCT ON (s.key) s.key, s.incident_id
  FROM incidents_incidentspan s JOIN incidents_incident i ON i.id = s.incident_id
 WHERE s.key = ANY(%s) AND s.last_alert_id IS NOT NULL AND i.status = 'closed'
 ORDER BY s.key, s.id DESC
"""


def all_open(keys: Iterable[bytes]) -> bool:
    """Whether each of `keys` had an open span a moment ago."""
    wanted = list(keys)
    return int(rows(PEEK, [wanted])[0][0]) == len(wanted)


def share_open(keys: Iterable[bytes]) -> dict[bytes, int]:
    """The incidents of those of `keys` that have an open span, which nobody can close until we commit."""
    return {bytes(key): incident for key, incident in rows(LOCK, [sorted(keys)])}


def closed_before(keys: Iterable[bytes]) -> dict[bytes, int]:
    """The last closed incident of each key, where there is one."""
    return {bytes(key): incident for key, incident in rows(BEFORE, [list(keys)])}


def open_spans(made: Iterable[tuple[bytes, int]]) -> None:
    """From the next alert on, those of each key belong to its incident."""
    first = int(rows(NEXT)[0][0])
    spans = [IncidentSpan(incident_id=incident, key=key, first_alert_id=first) for key, incident in made]
    IncidentSpan.objects.bulk_create(spans, MOST_ROWS)
