"""Work that doors and beat start."""

import logging
import time
from contextlib import suppress

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from redis import Redis, RedisError

from apps.gateway import ingest

log = logging.getLogger(__name__)
PENDING = "sentinel:drain-pending"
# A task that runs much longer would hold up the worker's shutdown; the next kick or sweep goes on.
LONGEST_SECONDS = 10.0


@shared_task(name="gateway.drain", max_retries=0)
def drain() -> int:
    """The inbox is empty, or another worker is at what is left; how many batches were worked off."""
    _not_pending()
    done, until = 0, time.monotonic() + LONGEST_SECONDS
    try:
        while (worked := ingest.work_off()) and time.monotonic() < until:
            done += worked
    except (OperationalError, InterfaceError):
        log.exception("The database went away: what was not worked off is still in the inbox.")
    return done


def _not_pending() -> None:
    """From here on a new batch may be missed by this task, so its kick counts again."""
    with suppress(RedisError):  # it expires by itself
        Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5).delete(PENDING)
