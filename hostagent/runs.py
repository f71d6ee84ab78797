"""Runs that were launched on this host: a folder each, written by the launcher, read by everyone else.

`run.json` says what the run is, `records.jsonl` holds what the launcher reports, `trace.jsonl` is where
the training code writes its spans.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from hostagent import procfs
from hostagent.config import State, read_json, write_atomically
from hostagent.protocol import ENV_RUN, ENV_TRACEPARENT, Record

MANIFEST = "run.json"
RECORDS = "records.jsonl"
TRACE = "trace.jsonl"


@dataclass(kw_only=True)
class Run:
    """One launched run, by exactly what a stop may touch."""

    folder: Path
    run: str
    marker: str
    cgroup: str | None
    root_pid: int
    root_start_ticks: int
    launcher_pid: int
    launcher_start_ticks: int
    started_at: float
    trace_file: str
    more_traces: list[str] = field(default_factory=list)  # files or folders of the framework's own
    drill: bool = False
    ended_at: float | None = None

    @property
    def running(self) -> bool:
        return procfs.alive(self.root_pid, self.root_start_ticks)

    def save(self) -> None:
        values = {**asdict(self), "folder": None}
        write_atomically(self.folder / MANIFEST, json.dumps(values, indent=2))

    def report(self, record: Record) -> None:
        """The record will reach the server, whether or not the agent runs now."""
        append(self.folder / RECORDS, record)


def folder_name(run: str) -> str:
    """A folder name that is safe whatever the run is called, and never the same twice."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", run).strip(".-")[:60] or "run"
    return f"{safe}-{secrets.token_hex(3)}"


def all_runs(state: State) -> Iterator[Run]:
    for path in sorted(state.runs.glob(f"*/{MANIFEST}")):
        found = load(path)
        if found is not None:
            yield found


def load(path: Path) -> Run | None:
    values = read_json(path)
    names = {one.name for one in fields(Run)}
    try:
        return Run(**{**{key: values[key] for key in values if key in names}, "folder": path.parent})
    except TypeError:
        return None


class Book:
    """All runs of this host, each manifest read again only when it has changed."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._read: dict[Path, tuple[int, Run]] = {}

    def all(self) -> list[Run]:
        found: dict[Path, tuple[int, Run]] = {}
        for path in self._state.runs.glob(f"*/{MANIFEST}"):
            with contextlib.suppress(OSError):
                changed = path.stat().st_mtime_ns
                known = self._read.get(path)
                run = known[1] if known and known[0] == changed else load(path)
                if run is not None:
                    found[path] = (changed, run)
        self._read = found
        return [run for _, run in found.values()]


def named(state: State, run: str) -> list[Run]:
    return [found for found in all_runs(state) if run in (found.run, found.marker)]


def append(path: Path, record: Record) -> None:
    """One line more in a file of records, on disk before this returns."""
    line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


def outside_environ() -> dict[str, str]:
    """Without a run's marker, should the agent have been started within one: nobody is killed by that."""
    return {name: value for name, value in os.environ.items() if name not in (ENV_RUN, ENV_TRACEPARENT)}


def leave_note(state: State, record: Record) -> None:
    """A record for the server from a part of the agent that does not hold the spool."""
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    write_atomically(state.notes / name, json.dumps(record))
