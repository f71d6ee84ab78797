"""Advisory locks of the database, each with its one number and its one reason."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from zlib import crc32

from django.db import Error, connection

TRACES, SHARES = 7_310, 64  # the first of two numbers, a space of locks apart


class Lock(IntEnum):
    """Taken in this order where a transaction needs more than one, so none waits in a circle."""

    ENROLMENT = 7_300  # two agents of one machine at once: one is first, the other a clone
    OPENING = 7_303  # two lots of alerts of one new key: one opens the incident, the other joins it
    AUDIT = 7_301  # entries are chained: one writer at a time
    FEED = 7_302  # entry ids follow the order of commits, or a reader's cursor would lose rows
    DRAIN = 7_304  # of a whole session: who works off an inbox that one can keep up with


def take(lock: Lock) -> None:
    """Hold `lock` until this transaction ends. Call it just before the insert that needs it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(lock)])


def take_some(names: Iterable[str]) -> None:
    """Nobody else who takes one of `names` goes on until this transaction ends.

    Names share locks, so that any number of them is held by few, in one order.
    """
    shares = sorted({crc32(name.encode()) % SHARES for name in names})
    with connection.cursor() as cursor:
        cursor.executemany("SELECT pg_advisory_xact_lock(%s, %s)", [(TRACES, share) for share in shares])


@contextmanager
def lead(lock: Lock) -> Iterator[Callable[[], bool]]:
    """Asks, as often as wanted, to be the one session that holds `lock` until the end of the block.

    A session that dies has let go.
    """
    held = False

    def ask() -> bool:
        nonlocal held
        if not held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [int(lock)])
                held = bool(cursor.fetchone()[0])
        return held

    try:
        yield ask
    finally:
        if held:
            with suppress(Error), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [int(lock)])
