"""The running agent: the kill path in this process, the observer in a child that is kept alive."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from hostagent.config import State
from hostagent.runs import outside_environ
from hostagent.warden import Warden

log = logging.getLogger(__name__)

OBSERVER_STOP_S = 5.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
URGENT_NICE = -10


class Observing:
    """Keeps the observing process alive until told to stop."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._stop = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="observer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._child is not None:
            self._child.terminate()
        self._thread.join(OBSERVER_STOP_S)
        if self._child is not None and self._child.poll() is None:
            self._child.kill()

    def _keep(self) -> None:
        wait = FIRST_WAIT_S
        while not self._stop.is_set():
            began = time.monotonic()
            argv = [sys.executable, "-m", "hostagent", "observe", "--state", str(self._state.root)]
            argv += ["--parent", str(os.getpid())]
            self._child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=outside_environ())
            code = self._child.wait()
            if self._stop.is_set():
                return
            wait = (
                FIRST_WAIT_S if time.monotonic() - began > LONGEST_WAIT_S else min(wait * 2, LONGEST_WAIT_S)
            )
            log.error("observer ended with %s; again in %.1f s", code, wait)
            self._stop.wait(wait)


def go_first() -> None:
    """A stop waits for nobody: not for a busy host, and no thread here for another's turn at Python."""
    sys.setswitchinterval(0.0002)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, URGENT_NICE)


def run(state: State, *, allow_drills: bool = False) -> None:
    """Runs until SIGTERM or SIGINT."""
    state.prepare()
    lock = state.lock()
    go_first()
    warden = Warden(state, allow_drills=allow_drills)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: warden.stop())
    observing = Observing(state)
    observing.start()
    try:
        warden.run()
    finally:
        observing.stop()
        os.close(lock)
