"""Facts go into their tables in bulk; each once, however often it is told."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from apps.core.bulk import rows, run, stage
from apps.telemetry.rows import (
    CloseRow,
    EndRow,
    EventRow,
    GpuRow,
    ProcessKey,
    ProcessRow,
    RecordKey,
    SocketRow,
)

_TYPES = {
    "argv": "jsonb", "data": "jsonb", "truncated": "boolean", "arguments_captured": "boolean",
    "failed": "boolean", "sm_percent": "double precision", "exit_code": "integer",
    "position": "integer",
}  # fmt: skip
_TEXT_IDS = {"trace_id", "span_id", "parent_span_id", "call_id"}
_NUMBERS = {"pid", "start_ticks", "ppid", "uid", "netns", "global_step", "memory_bytes"}


def _columns(names: Iterable[str]) -> list[tuple[str, str]]:
    def kind(name: str) -> str:
        if name.endswith("_id") and name not in _TEXT_IDS:
            return "bigint"
        if name.endswith("_at"):
            return "timestamptz"
        return _TYPES.get(name) or ("bigint" if name in _NUMBERS else "text")

    return [(name, kind(name)) for name in names]


def staged(name: str, shape: Any, lines: Iterable[Sequence[Any]]) -> str:
    """The `lines`, each a `shape`, are in the answered temporary table."""
    return stage(name, _columns(shape._fields), lines)


PROCESSES = """
INSERT INTO telemetry_process AS p ({names}) SELECT {names} FROM {table}
    ON CONFLICT (host_id, pid, start_ticks) DO UPDATE
   SET argv = EXCLUDED.argv, exe = EXCLUDED.exe, cwd = EXCLUDED.cwd, cgroup = EXCLUDED.cgroup,
       executed_at = EXCLUDED.executed_at, marker = EXCLUDED.marker, uid = EXCLUDED.uid,
       truncated = EXCLUDED.truncated,
       traceparent = COALESCE(NULLIF(EXCLUDED.traceparent, ''), p.traceparent),
       run_id = COALESCE(EXCLUDED.run_id, p.run_id)
 WHERE EXCLUDED.argv <> '[]'
   AND ((p.argv, p.exe, p.marker) IS DISTINCT FROM (EXCLUDED.argv, EXCLUDED.exe, EXCLUDED.marker)
        OR p.run_id IS NULL AND EXCLUDED.run_id IS NOT NULL)
RETURNING id, host_id, pid, start_ticks
"""


def store_processes(started: Iterable[ProcessRow]) -> dict[ProcessKey, int]:
    """The processes are there; answers the ids of those that are new or now run another program.

    A process keeps its pid and start time when it executes another program: the row then names that one,
    and since when it runs, and when the process itself began.
    """
    last: dict[ProcessKey, ProcessRow] = {}
    began: dict[ProcessKey, datetime] = {}
    for row in started:
        last[row[:3]] = row
        began.setdefault(row[:3], row.started_at)
    if not last:
        return {}
    names = (*ProcessRow._fields, "executed_at")
    lines = ((*last[key]._replace(started_at=began[key]), last[key].started_at) for key in sorted(last))
    table = stage("process", _columns(names), lines)
    found = rows(PROCESSES.format(names=", ".join(names), table=table))
    return {(host, pid, ticks): pk for pk, host, pid, ticks in found}


ENDS = """
UPDATE telemetry_process p SET ended_at = s.ended_at, exit_code = s.exit_code
  FROM {table} s
 WHERE p.host_id = s.host_id AND p.pid = s.pid AND p.ended_at IS NULL
   AND (p.start_ticks = s.start_ticks OR s.start_ticks IS NULL AND p.start_ticks < 0)
"""


def end_processes(ended: Iterable[EndRow]) -> int:
    """The processes have ended; how many were thought to run."""
    lines = list(ended)
    if not lines:
        return 0
    return run(ENDS.format(table=staged("end", EndRow, lines)))


SOCKETS = """
INSERT INTO telemetry_connection ({names}, process_id, run_id)
SELECT {listed}, p.id, p.run_id
  FROM {table} s
  LEFT JOIN telemetry_process p
    ON p.host_id = s.host_id AND p.pid = s.pid AND p.start_ticks = s.start_ticks
 WHERE NOT EXISTS (SELECT 1 FROM telemetry_connection c
                    WHERE c.host_id = s.host_id AND c.local = s.local AND c.remote = s.remote
                      AND c.closed_at IS NULL AND c.state = s.state AND c.pid IS NOT DISTINCT FROM s.pid)
    ON CONFLICT (batch_id, position) DO NOTHING
RETURNING id, batch_id, position, process_id, run_id
"""


def store_sockets(opened: Iterable[SocketRow]) -> dict[RecordKey, tuple[int, int | None, int | None]]:
    """The sockets are there with their owners; answers id, process and run of those that are new."""
    lines = list(opened)
    if not lines:
        return {}
    names = SocketRow._fields
    sql = SOCKETS.format(
        names=", ".join(names),
        listed=", ".join(f"s.{name}" for name in names),
        table=staged("socket", SocketRow, lines),
    )
    return {(batch, position): (pk, process, of) for pk, batch, position, process, of in rows(sql)}


CLOSES = """
UPDATE telemetry_connection c SET closed_at = s.closed_at
  FROM {table} s
 WHERE c.host_id = s.host_id AND c.local = s.local AND c.remote = s.remote
   AND c.closed_at IS NULL AND c.opened_at <= s.closed_at
   AND (s.pid IS NULL OR c.pid IS NULL OR c.pid = s.pid)
"""


def close_sockets(closed: Iterable[CloseRow]) -> int:
    """The sockets are closed; how many were thought open."""
    lines = list(closed)
    if not lines:
        return 0
    return run(CLOSES.format(table=staged("close", CloseRow, lines)))


PLAIN = "INSERT INTO {target} ({names}) SELECT {names} FROM {table} {conflict}"


def store_gpu_samples(seen: Iterable[GpuRow]) -> None:
    """The samples are there."""
    _plain("gpu", "telemetry_gpusample", GpuRow, list(seen))


def store_events(seen: Iterable[EventRow]) -> None:
    """The events are there, each once."""
    _plain("event", "telemetry_event", EventRow, list(seen), "ON CONFLICT (batch_id, position) DO NOTHING")


def _plain(name: str, target: str, shape: Any, lines: Sequence[Sequence[Any]], conflict: str = "") -> None:
    if lines:
        names = ", ".join(shape._fields)
        table = staged(name, shape, lines)
        run(PLAIN.format(target=target, names=names, table=table, conflict=conflict))


def claim_processes(run_id: int, *, host_id: int, marker: str, cgroup: str) -> int:
    """Processes seen before their run was known belong to it; how many did."""
    inside = cgroup.rstrip("/")
    return run(
        """UPDATE telemetry_process SET run_id = %s
            WHERE host_id = %s AND run_id IS NULL AND ended_at IS NULL
              AND (marker = %s AND marker <> ''
                   OR %s <> '' AND (cgroup = %s OR starts_with(cgroup, %s)))""",
        [run_id, host_id, marker, inside, inside, f"{inside}/"],
    )
