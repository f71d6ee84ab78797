"""Wakes a worker after a batch is in the inbox: soon, seldom, and never at the cost of the answer."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from apps.gateway.tasks import ask

log = logging.getLogger(__name__)
QUIET_SECONDS = 1.0  # how long a broker that is away is left alone; the sweep works off what waits


class Kick:
    """At most one drain is pending at any time, however many batches come in."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "kick")
        self._wanted = threading.Event()
        self._quiet_until = 0.0
        self.broker_is_away = False

    def __call__(self) -> None:
        """A worker will look at the inbox, if the broker lets us; returns at once."""
        if not self._wanted.is_set() and time.monotonic() >= self._quiet_until:
            self._wanted.set()
            self._thread.submit(self._send)

    def settle(self) -> None:
        """What was asked for up to now has been sent, or could not be."""
        self._thread.submit(lambda: None).result()

    def _send(self) -> None:
        self._wanted.clear()  # a batch that comes from here on is not covered by this kick
        try:
            ask()
            self.broker_is_away = False
        except Exception as error:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            if not self.broker_is_away:
                log.warning("The broker is away (%s): batches wait in the inbox.", type(error).__name__)
            self.broker_is_away = True


kick = Kick()
