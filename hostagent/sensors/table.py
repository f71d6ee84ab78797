"""The processes that are known to run right now, shared by the sensors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hostagent.cgroups import PARENT


@dataclass(frozen=True, slots=True)
class Known:
    """One process as last seen; with its start ticks it can be taken for no other."""

    pid: int
    start_ticks: int | None
    comm: str
    netns: int | None
    cgroup: str | None
    marker: str | None
    program: int = 0  # hash of argv and exe: the same number twice with another program is news
    seen: float = field(default_factory=time.monotonic)

    def same_as(self, other: Known) -> bool:
        return (self.pid, self.start_ticks, self.program) == (other.pid, other.start_ticks, other.program)

    @property
    def of_run(self) -> bool:
        """It carries a run's marker or lives in a run's group: worth a quick look."""
        return self.marker is not None or f"/{PARENT}/" in (self.cgroup or "")


class ProcessTable:
    """Who runs, by pid; listeners hear of every process that is new or has a new program."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Known], None]] = []

    def listen(self, listener: Callable[[Known], None]) -> None:
        self._listeners.append(listener)

    def add(self, known: Known) -> None:
        with self._lock:
            self._known[known.pid] = known
        for listener in self._listeners:
            listener(known)

    def get(self, pid: int) -> Known | None:
        return self._known.get(pid)

    def pop(self, pid: int) -> Known | None:
        with self._lock:
            return self._known.pop(pid, None)

    def pids(self) -> set[int]:
        with self._lock:
            return set(self._known)

    def all(self) -> list[Known]:
        with self._lock:
            return list(self._known.values())
