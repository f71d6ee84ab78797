"""Processes: every program that starts, with its arguments, place and parentage, and every end.

With the kernel's events a process is read the moment it execs, and a sweep of /proc now and then makes
up for what slipped through. Without them the sweep comes every second, and says what it can miss.
"""

from __future__ import annotations

import os
import select
import threading
import time

from hostagent import procfs, protocol
from hostagent.outlet import Outlet
from hostagent.protocol import Record, SensorState
from hostagent.sensors import proc_events
from hostagent.sensors.proc_events import ProcEvent, ProcEvents
from hostagent.sensors.table import Known, ProcessTable

SWEEP_WITH_EVENTS_S = 5.0
SWEEP_ALONE_S = 1.0
FORK_GRACE_S = 0.1  # most forks exec or end within it; those that do neither are reported as they are
RETRY_EVENTS_S = 30.0

BLIND_EVENTS = (
    "A process that ends within a fraction of a millisecond may lack arguments or environment; a fork that "
    "neither execs nor lives 100 ms is not reported."
)
BLIND_USER = "Environment, program and folder of other users' processes cannot be read without root."
BLIND_SWEEP = "A process that starts and ends within one second is not seen; exit codes are not known."


class ProcessSensor:
    """Feeds the process table and reports what changes in it."""

    name = "processes"

    def __init__(self, outlet: Outlet, table: ProcessTable) -> None:
        self._outlet = outlet
        self._table = table
        self._events: ProcEvents | None = None
        self._why_no_events = ""
        self._forks: dict[int, float] = {}
        self._missed = 0
        self._swept_at = 0.0

    def state(self) -> SensorState:
        fresh = time.monotonic() - self._swept_at < 4 * SWEEP_WITH_EVENTS_S
        if self._events is not None:
            return {"mode": "netlink", "ok": fresh, "blind": blind(BLIND_EVENTS)}
        return {"mode": "sweep", "ok": fresh, "blind": blind(BLIND_SWEEP, self._why_no_events)}

    def run(self, stop: threading.Event) -> None:
        self._subscribe()
        sweep_due, retry_due = 0.0, time.monotonic() + RETRY_EVENTS_S
        while not stop.is_set():
            now = time.monotonic()
            if now >= sweep_due:
                self.sweep()
                sweep_due = now + (SWEEP_WITH_EVENTS_S if self._events else SWEEP_ALONE_S)
            if self._events is None and now >= retry_due:
                self._subscribe()
                retry_due = now + RETRY_EVENTS_S
            self._listen(self._patience(sweep_due, stop), stop)
            self._report_quiet_forks()
        if self._events is not None:
            self._events.close()

    def sweep(self) -> None:
        """The table is what /proc says; what came and went in between is reported as found."""
        running = set(procfs.pids())
        for pid in self._table.pids() - running:
            self._ended(pid, time.time(), None)
        for pid in running:
            known, found = self._table.get(pid), procfs.stat(pid)
            if found is None or found.kernel or found.ended:
                continue
            if known is not None and known.start_ticks not in (None, found.start_ticks):
                self._ended(pid, time.time(), None)
                known = None
            if known is None:
                if pid not in self._forks:
                    self._started(pid, procfs.started_at(found.start_ticks), "sweep")
            elif known.comm != found.comm:
                self._started(pid, time.time(), "sweep")
        self._swept_at = time.monotonic()

    def _subscribe(self) -> None:
        try:
            events = ProcEvents()
        except (OSError, AttributeError) as error:
            self._why_no_events = f"No process events here: {error}."
            return
        if events.self_test():
            self._events, self._why_no_events = events, ""
        else:
            events.close()
            self._why_no_events = "Process events do not reach this namespace."

    def _patience(self, sweep_due: float, stop: threading.Event) -> float:
        left = sweep_due - time.monotonic()
        return max(0.0, min(left, FORK_GRACE_S if self._forks else 0.5))

    def _listen(self, seconds: float, stop: threading.Event) -> None:
        if self._events is None:
            stop.wait(seconds)
            return
        ready, _, _ = select.select([self._events.socket], [], [], seconds)
        if ready:
            for event in self._events.read():
                self._handle(event)
            self._report_missed()

    def _handle(self, event: ProcEvent) -> None:
        if event.what == proc_events.EXEC:
            self._forks.pop(event.pid, None)
            self._started(event.pid, event.at, "exec")
        elif event.what == proc_events.FORK:
            if self._table.get(event.pid) is not None:
                self._ended(event.pid, event.at, None)  # its end was missed: the number has a new owner
            self._forks[event.pid] = time.monotonic()
        elif event.what == proc_events.EXIT:
            self._forks.pop(event.pid, None)
            self._ended(event.pid, event.at, exit_code(event.exit_status))

    def _report_quiet_forks(self) -> None:
        before = time.monotonic() - FORK_GRACE_S
        for pid in [pid for pid, since in self._forks.items() if since < before]:
            del self._forks[pid]
            found = procfs.stat(pid)
            if found is not None and self._table.get(pid) is None:
                self._started(pid, procfs.started_at(found.start_ticks), "fork")

    def _report_missed(self) -> None:
        assert self._events is not None  # noqa: S101 - only called while subscribed
        missed = self._events.missed - self._missed
        if missed:
            self._missed = self._events.missed
            now = time.time()
            self._outlet.put(
                {
                    "kind": protocol.GAP,
                    "at": now,
                    "from_at": now - 1,
                    "to_at": now,
                    "dropped": missed,
                    "reason": "process events overran the kernel's buffer",
                }
            )
            self.sweep()

    def _started(self, pid: int, at: float, how: str) -> None:
        record, known = read_process(pid, at, how)
        before = self._table.get(pid)
        if before is not None and before.same_as(known):
            return  # two execs so close that both reads show the second
        if before is not None and known.start_ticks is None:
            return  # it ended before it could be read again: its end has to close what is known of it
        self._table.add(known)
        self._outlet.put(record, urgent=True)

    def _ended(self, pid: int, at: float, code: int | None) -> None:
        known = self._table.pop(pid)
        if known is None:
            return
        self._outlet.put(
            {
                "kind": protocol.PROCESS_END,
                "at": at,
                "pid": pid,
                "start_ticks": known.start_ticks,
                "exit_code": code,
            }  # not urgent: a kill ends many at once, and its receipts go first
        )


def read_process(pid: int, at: float, how: str) -> tuple[Record, Known]:
    """All that /proc tells of one process right now; what could not be read is named in `unread`."""
    argv, argv_cut = procfs.argv(pid)
    found = procfs.stat(pid)
    environ = procfs.environ(pid)
    fields = {
        "exe": procfs.link(pid, "exe"),
        "cwd": procfs.link(pid, "cwd"),
        "uid": procfs.uid(pid),
        "cgroup": procfs.cgroup(pid),
        "netns": procfs.netns(pid),
    }
    unread = [name for name, value in fields.items() if value is None]
    unread += [name for name, empty in (("argv", not argv), ("env_names", not environ.names)) if empty]
    ticks = found.start_ticks if found else None
    record: Record = {
        "kind": protocol.PROCESS_START,
        "at": at,
        "pid": pid,
        "ppid": found.ppid if found else None,
        "start_ticks": ticks,
        "argv": argv or ([f"[{found.comm}]"] if found else []),
        **fields,
        "marker": environ.marker,
        "traceparent": environ.traceparent,
        "env_names": environ.names,
        "truncated": argv_cut or environ.truncated,
        "unread": unread,
        "how": how,
    }
    known = Known(
        pid=pid,
        start_ticks=ticks,
        comm=found.comm if found else "",
        netns=fields["netns"],  # type: ignore[arg-type]
        cgroup=fields["cgroup"],  # type: ignore[arg-type]
        marker=environ.marker,
        program=hash((tuple(argv), fields["exe"])),
    )
    return record, known


def blind(*sentences: str) -> str:
    """What is missed, with what this user may not read."""
    return " ".join(part for part in (*sentences, BLIND_USER if os.geteuid() else "") if part)


def exit_code(status: int) -> int:
    """A wait status as people know it: the code, or minus the signal."""
    try:
        return os.waitstatus_to_exitcode(status & 0xFFFF)
    except ValueError:  # a status that is no end; the number as the kernel gave it
        return status
