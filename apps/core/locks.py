"""Advisory locks of the database, each with its one number and its one reason."""

from enum import IntEnum

from django.db import connection


class Lock(IntEnum):
    """Taken in this order where a transaction needs more than one, so none waits in a circle."""

    ENROLMENT = 7_300  # two agents of one machine at once: one is first, the other a clone
    OPENING = 7_303  # two lots of alerts of one new key: one opens the incident, the other joins it
    AUDIT = 7_301  # entries are chained: one writer at a time
    FEED = 7_302  # entry ids follow the order of commits, or a reader's cursor would lose rows


def take(lock: Lock) -> None:
    """Hold `lock` until this transaction ends. Call it just before the insert that needs it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(lock)])
