"""The upload: oldest batch first, one at a time, until the server has said 202 to its number."""

from __future__ import annotations

import logging
import random
import threading

from hostagent.client import UNREACHABLE, AgentClient, RefusedError
from hostagent.clock import Clock
from hostagent.spool import Batch, Spool

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0
LOCKED_OUT_WAIT_S = 60.0  # the server does not know us (any more): only a person can change that
POISON = frozenset({400, 413, 415, 422})  # this very body will never be taken
TAKEN = 409
LOCKED_OUT = frozenset({401, 403})


class Sender:
    """Runs on its own thread; wakes when the spool has grown."""

    def __init__(self, spool: Spool, client: AgentClient, clock: Clock) -> None:
        self._spool = spool
        self._client = client
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failures = 0
        self.problem = ""

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        while not self._stop.is_set():
            batch = self._spool.next_batch()
            if batch is None:
                self._wake.wait(5.0)
                self._wake.clear()
                continue
            wait = self.send(batch)
            if wait:
                self._stop.wait(wait)
        self._client.close()

    def send(self, batch: Batch) -> float:
        """One attempt; how long to wait before the next, 0 after success."""
        try:
            reply = self._client.post_batch(batch.sequence, batch.body, encoding=batch.encoding)
        except RefusedError as refused:
            return self._refused(batch, refused)
        except UNREACHABLE as error:
            self._note(f"server unreachable: {error}")
            return self._back_off()
        self._clock.observe(reply.body.get("server_time_ms"), sent_at=reply.sent_at, got_at=reply.got_at)
        self._spool.acknowledge(batch.sequence)
        self._failures, self.problem = 0, ""
        return 0.0

    def _refused(self, batch: Batch, refused: RefusedError) -> float:
        self._note(f"batch {batch.sequence} refused: {refused}")
        if refused.status == TAKEN:
            self._spool.skip_number(batch.sequence)
            return FIRST_WAIT_S / 10
        if refused.status in POISON:
            return self._poisoned(batch, refused)
        if refused.status in LOCKED_OUT:
            return LOCKED_OUT_WAIT_S
        return refused.retry_after or self._back_off()

    def _poisoned(self, batch: Batch, refused: RefusedError) -> float:
        """A body the server will never take must not hold up those behind it."""
        if batch.records == 1 and b'"gap"' in batch.body:
            return LOCKED_OUT_WAIT_S  # not even a gap record is taken: retrying as is loses nothing
        self._spool.replace_by_gap(batch.sequence, reason=f"rejected by server: {refused}"[:300])
        return 0.0

    def _back_off(self) -> float:
        self._failures += 1
        wait = min(FIRST_WAIT_S * 2 ** min(self._failures - 1, 10), LONGEST_WAIT_S)
        return float(wait) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads hosts, hides nothing

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            log.warning(problem)
        self.problem = problem
