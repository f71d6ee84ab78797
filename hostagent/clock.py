"""How far this host's clock is from the server's, and how sure that is."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

WINDOW_S = 120.0


class Sample(NamedTuple):
    taken: float
    offset_ms: float
    error_ms: float


class Clock:
    """Offset = server minus host; the sample with the shortest way there and back counts."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=256)

    def observe(self, server_time_ms: object, *, sent_at: float, got_at: float) -> None:
        """One answer that carried the server's time; nonsense is ignored."""
        if not isinstance(server_time_ms, int | float) or got_at < sent_at:
            return
        middle_ms = (sent_at + got_at) * 500
        sample = Sample(time.monotonic(), server_time_ms - middle_ms, (got_at - sent_at) * 500)
        self._samples.append(sample)

    def best(self) -> Sample | None:
        since = time.monotonic() - WINDOW_S
        recent = [sample for sample in tuple(self._samples) if sample.taken >= since]
        return min(recent, key=lambda sample: sample.error_ms, default=None)

    def figures(self) -> dict[str, float | None]:
        best = self.best()
        return {
            "offset_ms": round(best.offset_ms, 3) if best else None,
            "error_ms": round(best.error_ms, 3) if best else None,
        }

    def server_now_ms(self) -> float:
        """The best guess at the server's clock; the host's own while nothing is known."""
        best = self.best()
        return time.time() * 1000 + (best.offset_ms if best else 0.0)
