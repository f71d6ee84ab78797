"""Work that doors and beat start."""

import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis import RedisError

from apps.core.locks import Lock, lead
from apps.gateway import broker, ingest
from apps.response.selectors import stop_is_under_way
from apps.telemetry import calls, inbox, reports

log = logging.getLogger(__name__)
LONGEST_SECONDS = 10.0  # a task that runs much longer would hold up the worker's shutdown
EXPIRES_SECONDS = 30
PAUSE_SECONDS = 0.02
LINKS_LAST = timedelta(days=2)


@shared_task(name="gateway.drain", max_retries=0)
def drain() -> int:
    """The inbox is empty, or another drain is asked for; how many batches this one worked off."""
    with suppress(RedisError):  # "pending" expires by itself
        broker.release()
    try:
        with _undisturbed():
            done, left = _work_off_until(time.monotonic() + LONGEST_SECONDS)
    except (OperationalError, InterfaceError):
        log.exception("The database could not: what was not worked off is still in the inbox.")
        return 0
    if left:
        ask()
    return done


def _work_off_until(end: float) -> tuple[int, bool]:
    """How many batches, and whether some are left.

    One worker at a time while it keeps up, so that the other processors are free for a stop; a second one
    stands by, and helps where more has piled up. While a stop is under way both stand by: a moment, at most.
    """
    done = 0
    with lead(Lock.DRAIN) as leads:
        while time.monotonic() < end:
            mine = not stop_is_under_way() and (leads() or inbox.is_deep())
            worked = ingest.work_off() if mine else 0
            done += worked
            if worked:
                continue
            if not _is_waiting():
                return done, False
            time.sleep(PAUSE_SECONDS)
    return done, _is_waiting()


def _is_waiting() -> bool:
    return inbox.is_waiting() or reports.is_waiting()


def ask() -> None:
    """A drain is pending, this one or one that was before. Raises whatever the broker raises."""
    if broker.claim():
        drain.apply_async(expires=EXPIRES_SECONDS)


@shared_task(name="gateway.forget_links", max_retries=0)
def forget_links() -> int:
    """Where the spans of traces stood that are long over is forgotten; how many they were."""
    return calls.forget_links(timezone.now() - LINKS_LAST)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No search for cycles while a lot is in memory: it finds none, and costs a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
