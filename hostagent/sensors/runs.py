"""Runs: what their launchers report, what they trace, and their end even if nobody reported it."""

from __future__ import annotations

import hashlib
import json
import select
import shutil
import threading
import time
from pathlib import Path

from hostagent import cgroups, procfs, protocol, runs
from hostagent.config import State, read_json
from hostagent.linux import Watch
from hostagent.outlet import Outlet
from hostagent.protocol import Record, SensorState
from hostagent.sensors.otlp_lines import records_of
from hostagent.sensors.tail import Tail
from hostagent.spool import Spool

POLL_S = 1.0
CARE_S = 5.0
QUIET_S = 60.0
MOST_FILES = 1_000  # that one run is read from
KEEP_ENDED_S = 86_400.0
BLIND = "A tool call is known when the training code has written its span; content it leaves out is not seen."


class RunSensor:
    """Tails every run's files from where the spool knows them to be."""

    name = "runs"

    def __init__(self, state: State, outlet: Outlet, spool: Spool) -> None:
        self._state = state
        self._outlet = outlet
        self._spool = spool
        self._tails: dict[Path, Tail] = {}
        self._noted: set[str] = set()
        self._cared_at = 0.0
        self._read_at = 0.0
        self._watch: Watch | None = None
        self._book = runs.Book(state)

    def state(self) -> SensorState:
        fresh = time.monotonic() - self._read_at < 5 * POLL_S
        return {"mode": "inotify" if self._watch else "poll", "ok": fresh, "blind": BLIND}

    def run(self, stop: threading.Event) -> None:
        try:
            self._watch = Watch()
        except OSError:
            self._watch = None
        while not stop.is_set():
            self.read()
            self._wait(stop)

    def read(self) -> None:
        """Everything written up to now is in the outlet."""
        for folder in (self._state.notes, self._state.runs):
            self._follow(folder)
        self._read_notes()
        care = time.monotonic() - self._cared_at >= CARE_S
        for run in self._book.all():
            if not care and run.ended_at is not None and time.time() - run.ended_at > QUIET_S:
                continue  # long over: looked at now and then, for what its leftovers may still write
            self._follow(run.folder)
            self._read_records(run)
            for path in traces_of(run):
                self._read_trace(run, path)
            if care:
                self._care(run)
        if care:
            self._cared_at = time.monotonic()
        self._read_at = time.monotonic()

    def _follow(self, path: Path) -> None:
        if self._watch is not None:
            self._watch.add(path)

    def _wait(self, stop: threading.Event) -> None:
        if self._watch is None:
            stop.wait(0.2)
            return
        select.select([self._watch.handle], [], [], POLL_S)
        self._watch.drain()

    def _read_notes(self) -> None:
        for path in sorted(self._state.notes.glob("*.json")):
            source = f"notes/{path.name}"
            if self._spool.position(source):
                path.unlink(missing_ok=True)
                self._spool.forget_source(source)
                self._noted.discard(source)
            elif source not in self._noted:
                self._noted.add(source)
                self._put(read_json(path))
                self._outlet.put_read(source, 1)

    def _read_records(self, run: runs.Run) -> None:
        tail = self._tail(run.folder / runs.RECORDS, run)
        before = tail.position
        for line in tail.lines():
            self._put(parse(line))
        self._keep(tail, before, run)

    def _read_trace(self, run: runs.Run, path: Path) -> None:
        if path.parent != run.folder:
            self._follow(path)
        tail = self._tail(path, run)
        before, overlong, cut = tail.position, tail.overlong, tail.cut
        for line in tail.lines():
            for record in records_of(line, run=run.run):
                self._outlet.put(record, urgent=True)
        if tail.cut > cut:
            self._outlet.put(trace_was_cut(run, path), urgent=True)
        if tail.overlong > overlong:
            self._outlet.put(overlong_lines(run, tail.overlong - overlong))
        self._keep(tail, before, run)

    def _tail(self, path: Path, run: runs.Run) -> Tail:
        if len(self._tails) > 4 * MOST_FILES:
            self._tails.clear()  # names that came and went: the spool knows what was read of them
        if path not in self._tails:
            self._tails[path] = Tail(path, self._spool.position(source_of(path, run)))
        return self._tails[path]

    def _keep(self, tail: Tail, before: int, run: runs.Run) -> None:
        if tail.position != before:
            self._outlet.put_read(source_of(tail.path, run), tail.position)

    def _put(self, record: Record) -> None:
        if record.get("kind") in protocol.RECORD_KINDS and isinstance(record.get("at"), int | float):
            self._outlet.put(record, urgent=True)

    def _care(self, run: runs.Run) -> None:
        """An end nobody reported is reported; an ended run's empty group and old folder are removed."""
        if run.ended_at is None:
            launcher_gone = not procfs.alive(run.launcher_pid, run.launcher_start_ticks)
            if launcher_gone and not run.running:
                run.ended_at = time.time()
                run.report(
                    {
                        "kind": protocol.RUN_END,
                        "at": run.ended_at,
                        "run": run.run,
                        "reason": "the run and its launcher are gone",
                        "exit_code": None,
                    }
                )
                run.save()
            return
        group = cgroups.open_group(run.cgroup) if run.cgroup else None
        if group is not None and group.event("populated") == "0":
            group.remove()
        if time.time() - run.ended_at > KEEP_ENDED_S:
            self._forget(run)

    def _forget(self, run: runs.Run) -> None:
        for path in (run.folder / runs.RECORDS, *traces_of(run)):
            self._tails.pop(path, None)
            self._spool.forget_source(source_of(path, run))
        if self._watch is not None:
            self._watch.forget(run.folder)
        if Path(run.trace_file).parent.name.startswith("sentinel-trace-"):
            shutil.rmtree(Path(run.trace_file).parent, ignore_errors=True)
        shutil.rmtree(run.folder, ignore_errors=True)


def traces_of(run: runs.Run) -> list[Path]:
    """The run's own trace file and those that it was launched with, folders as the files in them."""
    found = [Path(run.trace_file)]
    for name in run.more_traces:
        path = Path(name)
        inside = sorted(path.glob("*.jsonl"))[:MOST_FILES] if path.is_dir() else [path]
        found += inside
    return found[:MOST_FILES]


def source_of(path: Path, run: runs.Run) -> str:
    if str(path) == run.trace_file or path.parent == run.folder:
        return f"{run.folder.name}/{path.name}"
    place = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{run.folder.name}/{place}"  # two of one name in different folders are two


def parse(line: bytes) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def trace_was_cut(run: runs.Run, path: Path) -> Record:
    return {
        "kind": protocol.ALERT,
        "at": time.time(),
        "rule": "trace-file-cut",
        "title": "The run's trace file was cut or replaced",
        "level": "high",
        "technique": "T1070",
        "family": "tampering",
        "run": run.run,
        "pid": None,
        "start_ticks": None,
        "detail": {"file": str(path)},
    }


def overlong_lines(run: runs.Run, count: int) -> Record:
    now = time.time()
    return {
        "kind": protocol.GAP,
        "at": now,
        "from_at": now,
        "to_at": now,
        "dropped": count,
        "kinds": {protocol.SPAN: count},
        "reason": f"trace lines of {run.run} longer than 1 MiB",
    }
