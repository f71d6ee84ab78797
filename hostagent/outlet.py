"""Where sensors put what they saw: a bounded queue, and the thread that writes it to the spool."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hostagent.protocol import Record
from hostagent.spool import Line, Spool, line_of

URGENT_S = 0.010  # how long a process or a span waits for company
LAZY_S = 0.5  # how long everything else may wait
MAX_QUEUED = 50_000
MAX_BATCH_RECORDS = 2_000
MAX_BATCH_BYTES = 2 * 1024 * 1024
MAX_RECORD_BYTES = 1024 * 1024


class ReadUpTo(NamedTuple):
    """A source was read up to here; true only once the records before it are kept."""

    source: str
    position: int


class Outlet:
    """Thread-safe, never blocks a sensor: what does not fit is counted as lost."""

    def __init__(self, spool: Spool, *, on_kept: Callable[[], None] = lambda: None) -> None:
        self._spool = spool
        self._on_kept = on_kept
        self._queue: deque[Record | ReadUpTo] = deque()
        self._changed = threading.Condition()
        self._due: float | None = None
        self._stopping = False

    def put(self, record: Record, *, urgent: bool = False) -> None:
        with self._changed:
            if len(self._queue) >= MAX_QUEUED:
                self._spool.lose(record, "queue full")
                return
            self._queue.append(record)
            self._schedule(URGENT_S if urgent else LAZY_S)

    def put_read(self, source: str, position: int) -> None:
        """All of `source` before `position` has been put."""
        with self._changed:
            self._queue.append(ReadUpTo(source, position))
            self._schedule(LAZY_S)

    def stop(self) -> None:
        """What is queued is still written; then `run` returns."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        while self._wait():
            self.flush()

    def flush(self) -> None:
        """Everything queued up to now is in the spool, or counted as lost."""
        while True:
            lines, cursors = self._take()
            if not lines and not cursors:
                return
            if self._spool.add(lines, cursors=cursors) is not None:
                self._on_kept()

    def _schedule(self, delay: float) -> None:
        due = time.monotonic() + delay
        if self._due is None or due < self._due:
            self._due = due
            self._changed.notify()

    def _wait(self) -> bool:
        """Sleeps until something is due; False once stopping and nothing is left."""
        with self._changed:
            while True:
                if self._stopping:
                    return bool(self._queue)
                left = None if self._due is None else self._due - time.monotonic()
                if left is not None and left <= 0:
                    return True
                self._changed.wait(left)

    def _take(self) -> tuple[list[Line], dict[str, int]]:
        lines: list[Line] = []
        cursors: dict[str, int] = {}
        size = 0
        while len(lines) < MAX_BATCH_RECORDS and size < MAX_BATCH_BYTES:
            with self._changed:
                if not self._queue:
                    self._due = None
                    break
                item = self._queue.popleft()
            if isinstance(item, ReadUpTo):
                cursors[item.source] = item.position
                continue
            line = line_of(item)
            if len(line.data) > MAX_RECORD_BYTES:
                self._spool.lose(item, "record too large")
                continue
            lines.append(line)
            size += len(line.data)
        return lines, cursors
