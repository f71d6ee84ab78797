"""Drills that the server asks for: one at a time, each its own process, and only where this host allows it.

A request comes as a signed order and is answered by receipts, like a stop. It shares nothing with the stops:
everything here happens on a thread and in a process of its own, and never on the thread that fetches orders.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from hostagent import runs
from hostagent.config import State
from hostagent.protocol import DrillPayload, OrderPayload, Stage
from hostagent.receipts import Receipts
from hostagent.runs import Run

log = logging.getLogger(__name__)

DRILLS = ("rome",)
STAGED_S = 30.0  # within which a drill's run stands; keys for its sshd are made first
LOOK_S = 0.1
NOT_ALLOWED = (
    "this host does not allow drills; whoever looks after it can: start its host agent with"
    " `run --allow-drills`, or enrol it with `enrol --allow-drills`"
)


class Stagehand:
    """Starts what was asked for, and tells how it went."""

    def __init__(self, state: State, receipts: Receipts, *, allowed: bool) -> None:
        self._state = state
        self._receipts = receipts
        self._allowed = allowed
        self._one = threading.Lock()

    def begin(self, order: OrderPayload, *, again: bool) -> None:
        """Returns at once; the drill has a thread, which lives as long as the drill does."""
        name = f"drill-{order['number']}"
        threading.Thread(target=self._answer, args=(order, again), name=name, daemon=True).start()

    def _answer(self, order: OrderPayload, again: bool) -> None:
        since = time.monotonic()

        def report(stage: Stage, detail: str = "", **fields: object) -> None:
            self._receipts.give(order, stage, since=since, detail=detail, **fields)  # type: ignore[arg-type]

        if again:  # it died with the agent that played it
            return report("ENDED", "the host agent was restarted; a drill does not outlive it")
        try:
            self._play(order, report)
        except Exception as error:
            log.exception("drill %s failed", order["number"])
            report("NOT_CONFIRMED", f"the drill could not be played: {error!r}")

    def _play(self, order: OrderPayload, report: Callable[..., None]) -> None:
        report("DELIVERED")
        play = cast(DrillPayload, order)["play"]  # it was parsed as one
        if not self._allowed:
            return report("REFUSED", NOT_ALLOWED)
        if play["name"] not in DRILLS:
            return report("REFUSED", "this host agent knows no such drill")
        if not self._one.acquire(blocking=False):
            return report("REFUSED", "a drill that was asked for is running on this host already")
        try:
            if playing := self._playing():
                return report("REFUSED", f"a drill is running on this host already: {playing.run}")
            process = self._start(play["name"], play["seconds"])
            run = self._staged(process)
            if run is None:
                process.terminate()
                code = process.wait()
                return report("NOT_CONFIRMED", f"the drill did not start (it ended with {code})")
            report("STARTED", "", run=run.run)
            process.wait()
            report("ENDED", how_it_ended(run), run=run.run)
        finally:
            self._one.release()

    def _playing(self) -> Run | None:
        return next((run for run in runs.all_runs(self._state) if run.drill and run.running), None)

    def _start(self, name: str, seconds: float) -> subprocess.Popen[bytes]:
        """It ends with this thread, and so with the agent, whatever becomes of that."""
        argv = [sys.executable, "-m", "hostagent", "drill", name, "--state", str(self._state.root)]
        argv += ["--seconds", str(seconds), "--parent", str(os.getpid())]
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, env=runs.outside_environ(), start_new_session=True
        )

    def _staged(self, process: subprocess.Popen[bytes]) -> Run | None:
        """The run that the drill's process launched; None when there is none in time."""
        deadline = time.monotonic() + STAGED_S
        while process.poll() is None and time.monotonic() < deadline:
            for run in runs.all_runs(self._state):
                if run.launcher_pid == process.pid and run.running:
                    return run
            time.sleep(LOOK_S)
        return None


def how_it_ended(run: Run) -> str:
    """What the launcher reported last."""
    try:
        last = json.loads(Path(run.folder / runs.RECORDS).read_text().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return ""
    return str(last.get("reason", ""))[:200]
