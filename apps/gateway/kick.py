"""Wakes a worker after a batch is in the inbox: soon, seldom, and never at the cost of the answer."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from redis import Redis

from apps.gateway.tasks import PENDING, drain

log = logging.getLogger(__name__)
QUIET_SECONDS = 1.0  # how long a broker that is away is left alone; the sweep works off what waits


class Kick:
    """At most one drain is pending at any time, however many batches come in."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "kick")
        self._wanted = threading.Event()
        self._redis: Redis | None = None
        self._down_until = 0.0
        self._down = False

    def __call__(self) -> None:
        """A worker will look at the inbox, if the broker lets us; returns at once."""
        if not self._wanted.is_set() and time.monotonic() >= self._down_until:
            self._wanted.set()
            self._thread.submit(self._send)

    def _send(self) -> None:
        self._wanted.clear()  # a batch that comes from here on is not covered by this kick
        try:
            if self._client().set(PENDING, 1, nx=True, px=2000):
                drain.apply_async(expires=30)
            self._down = False
        except Exception as error:
            self._down_until = time.monotonic() + QUIET_SECONDS
            if not self._down:
                log.warning("The broker is away (%s): batches wait in the inbox.", type(error).__name__)
            self._down = True

    def _client(self) -> Redis:
        if self._redis is None:
            self._redis = Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5)
        return self._redis


kick = Kick()
