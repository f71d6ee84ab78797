"""What the tests of the host agent say often."""

from __future__ import annotations

import itertools
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hostagent import procfs
from hostagent.config import State
from hostagent.runs import Run
from tests.hostagent.stub import Stub

T = TypeVar("T")
FINAL = {"VERIFIED", "PAUSED", "RESUMED", "SURVIVED", "NOT_CONFIRMED", "REFUSED", "EXPIRED"}


def until(met: Callable[[], T], *, seconds: float = 15.0) -> T:
    """The first true value of `met`; an assertion error if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := met()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)
    return value


def whole(receipts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of their steps once the last is here and none before it is missing; else nothing.

    They arrive in another order: the result of a stop leaves before the steps that led to it.
    """
    found = sorted(receipts, key=lambda one: one["seq"])
    there = bool(found) and found[-1]["stage"] in FINAL and len(found) == found[-1]["seq"] + 1
    return found if there else []


@dataclass
class Launched:
    run: str
    process: subprocess.Popen[bytes]
    known: Run

    def marked(self) -> list[int]:
        """Every living process on this machine with the run's marker."""
        needle = procfs.marker_needle(self.run)
        return [pid for pid in procfs.pids() if procfs.has_marker(pid, needle)]


class Orders:
    """Orders as the server would give them, and what became of them."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._numbers = itertools.count(1)

    def payload(self, run: Launched | None, action: str, **changes: Any) -> dict[str, Any]:
        number = next(self._numbers)
        now = int(time.time() * 1000)
        known = run.known if run else None
        return {
            "order_id": number,
            "number": f"CO-{number:04}",
            "agent_id": "a-1",
            "host_id": "h-1",
            "run": run.run if run else "none",
            "marker": run.run if run else "none",
            "action": action,
            "targets": {
                "cgroup": known.cgroup if known else None,
                "root_pid": known.root_pid if known else None,
                "root_start_ticks": known.root_start_ticks if known else None,
                "pids": [],
            },
            "respawn_watch_s": 0.5,
            "nonce": f"nonce-{number}",
            "issued_ms": now,
            "expires_ms": now + 60_000,
            "reason": "test",
            "by": "test",
            "drill": False,
            **changes,
        }

    def give(self, run: Launched | None, action: str, **changes: Any) -> list[dict[str, Any]]:
        """The order was carried out: its receipts in order, the last one final."""
        payload = self.payload(run, action, **changes)
        self._stub.order(payload)
        return self.receipts(payload["order_id"])

    def give_by_bell_alone(self, payload: dict[str, Any], state: State) -> list[dict[str, Any]]:
        """The order was carried out while no receipt can be delivered; what the journal holds of it."""
        self._stub.order(payload)

        def kept() -> list[dict[str, Any]]:
            journal = sqlite3.connect(state.journal_file)
            try:
                rows = journal.execute("SELECT payload FROM receipt ORDER BY id").fetchall()
            finally:
                journal.close()
            return whole([json.loads(text) for (text,) in rows])

        return until(kept, seconds=40)

    def receipts(self, order_id: int) -> list[dict[str, Any]]:
        def done() -> list[dict[str, Any]]:
            return whole([one for one in self._stub.receipts if one["order_id"] == order_id])

        return self._stub.wait(done, 40)
