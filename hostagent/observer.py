"""The observing process: sensors, outlet, spool and upload. The kill path lives in another process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hostagent import heartbeat, linux, protocol
from hostagent.client import AgentClient
from hostagent.clock import Clock
from hostagent.config import State
from hostagent.keys import load_key
from hostagent.outlet import Outlet
from hostagent.sender import Sender
from hostagent.sensors.base import Sensor
from hostagent.sensors.gpu import GpuSensor
from hostagent.sensors.processes import ProcessSensor
from hostagent.sensors.runs import RunSensor
from hostagent.sensors.sockets import SocketSensor
from hostagent.sensors.table import ProcessTable
from hostagent.spool import DEFAULT_QUOTA, Spool

log = logging.getLogger(__name__)

RESTART_S = 2.0
LAST_UPLOAD_S = 2.0  # on the way out, for what was seen last
ENV_QUOTA = "SENTINEL_AGENT_SPOOL_BYTES"


class Observer:
    """Everything that sees, and the one way out for what was seen."""

    def __init__(self, state: State) -> None:
        identity = state.identity()
        self._state = state
        self._stop = threading.Event()
        self._clock = Clock()
        self._spool = Spool(state.spool_file, quota=int(os.environ.get(ENV_QUOTA, DEFAULT_QUOTA)))
        client = AgentClient(identity, load_key(state.key_file))
        self._sender = Sender(self._spool, client, self._clock)
        self._outlet = Outlet(self._spool, on_kept=self._sender.wake)
        table = ProcessTable()
        self._sensors: list[Sensor] = [
            SocketSensor(self._outlet, table, own_pids=frozenset({os.getppid()})),
            ProcessSensor(self._outlet, table),
            RunSensor(state, self._outlet, self._spool),
            GpuSensor(self._outlet),
        ]

    def run(self) -> None:
        """Observes until SIGTERM or SIGINT; then what was seen is spooled, and sent if the server answers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        self._report_absence()
        sender = start("sender", self._sender.run)
        outlet = start("outlet", self._outlet.run)
        workers = [start(sensor.name, partial(self._keep_running, sensor)) for sensor in self._sensors]
        start("heartbeat", self._beat)
        self._stay()
        for worker in workers:
            worker.join(1.0)
        self._outlet.stop()
        outlet.join(5.0)
        self._sender.wake()
        self._wait_sent()
        self._sender.stop()
        sender.join(1.0)
        self._spool.close()

    def _stay(self) -> None:
        """The last time we were alive is on disk, second by second, until the end."""
        self._note_alive(clean=False)
        while not self._stop.wait(1.0):
            self._note_alive(clean=False)
        self._note_alive(clean=True)

    def _note_alive(self, *, clean: bool) -> None:
        """The file's time is when we were last alive; its text, whether we meant to stop."""
        try:
            self._alive_file.write_text("stopped" if clean else "running")
        except OSError:
            return  # a full disk is told by the spool's own gap

    @property
    def _alive_file(self) -> Path:
        return self._state.health / "observer"

    def _report_absence(self) -> None:
        """The time nobody looked is a gap like any other."""
        try:
            last_at, clean = self._alive_file.stat().st_mtime, self._alive_file.read_text() == "stopped"
        except OSError:
            return
        now = time.time()
        reason = "the agent was stopped" if clean else "the agent ended without warning"
        self._outlet.put(
            {
                "kind": protocol.GAP,
                "at": now,
                "from_at": last_at,
                "to_at": now,
                "dropped": 0,
                "reason": reason,
            }
        )

    def _beat(self) -> None:
        heartbeat.beat(
            self._stop,
            self._outlet,
            state=self._state,
            sensors=self._sensors,
            spool=self._spool,
            clock=self._clock,
        )

    def _keep_running(self, sensor: Sensor) -> None:
        while not self._stop.is_set():
            try:
                sensor.run(self._stop)
            except Exception:
                log.exception("sensor %s failed; again in %s s", sensor.name, RESTART_S)
                self._stop.wait(RESTART_S)

    def _wait_sent(self) -> None:
        deadline = time.monotonic() + LAST_UPLOAD_S
        while time.monotonic() < deadline and not self._sender.problem and self._spool.next_batch():
            time.sleep(0.02)


def start(name: str, work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def main(state: State, *, parent: int) -> None:
    linux.die_with_parent(parent)
    os.setpriority(os.PRIO_PROCESS, 0, 0)  # the kill path goes first; this half is a process like any other
    Observer(state).run()
