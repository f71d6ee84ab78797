"""Work that doors and beat start."""

import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import shared_task
from django.db import InterfaceError, OperationalError
from redis import RedisError

from apps.gateway import broker, ingest

log = logging.getLogger(__name__)
LONGEST_SECONDS = 10.0  # a task that runs much longer would hold up the worker's shutdown
EXPIRES_SECONDS = 30


@shared_task(name="gateway.drain", max_retries=0)
def drain() -> int:
    """The inbox is empty, or another drain is at what is left; how many batches were worked off."""
    with suppress(RedisError):  # "pending" expires by itself
        broker.release()
    done, until = 0, time.monotonic() + LONGEST_SECONDS
    try:
        with _undisturbed():
            while (worked := ingest.work_off()) and time.monotonic() < until:
                done += worked
        if worked:
            ask()
    except (OperationalError, InterfaceError):
        log.exception("The database could not: what was not worked off is still in the inbox.")
    return done


def ask() -> None:
    """A drain is pending, this one or one that was before. Raises whatever the broker raises."""
    if broker.claim():
        drain.apply_async(expires=EXPIRES_SECONDS)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No search for cycles while a lot is in memory: it finds none, and costs a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
