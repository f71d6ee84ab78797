"""Processes and sockets of a lot."""

from typing import NamedTuple

import msgspec

from apps.core.text import storable
from apps.fleet.models import TrainingRun
from apps.fleet.selectors import RunBook
from apps.gateway import records
from apps.gateway.lot import Item, Lot
from apps.telemetry import selectors, services
from apps.telemetry.rows import CloseRow, EndRow, ProcessRow, SocketRow

MOST_ARGUMENTS = 1_024
LONGEST_ARGUMENT = 16_384
LONGEST_ARGUMENTS = 128 * 1024  # all together
LONGEST_PATH = 4_096
_encode = msgspec.json.Encoder().encode


class SeenProcess(NamedTuple):
    """A process that is new or executes another program now."""

    item: Item
    row: ProcessRow
    id: int
    argv: tuple[str, ...]
    parent_argv: str  # JSON text
    parent_traceparent: str


class SeenSocket(NamedTuple):
    """A socket that was not known to be open."""

    item: Item
    row: SocketRow
    id: int
    process_id: int | None
    run_id: int | None


class _Above(NamedTuple):
    start_ticks: int
    argv: str
    run_id: int | None
    traceparent: str


def start(lot: Lot, book: RunBook) -> list[SeenProcess]:
    """The started processes are stored with the run they belong to."""
    items = lot.of(records.ProcessStart)
    if not items:
        return []
    argvs = [_argv(item) for item in items]
    known = selectors.parents([(i.batch.host_id, i.record.ppid or 0, _ticks(i), i.at) for i in items])
    above: dict[tuple[int, int], _Above] = {}
    seen: list[tuple[Item, ProcessRow, tuple[str, ...], _Above]] = []
    for place, (item, argv) in enumerate(zip(items, argvs, strict=True)):
        parent = above.get((item.batch.host_id, item.record.ppid or 0))
        if parent is None or 0 <= _ticks(item) < parent.start_ticks:
            stored = known.get(place, selectors.Parent("[]", None))
            parent = _Above(0, stored.argv, stored.run_id, stored.traceparent)
        run = _run_of(item, book) or book.by_id.get(parent.run_id or 0)
        row = _row(item, argv, run)
        above[row.host_id, row.pid] = _Above(row.start_ticks, row.argv, row.run_id, row.traceparent)
        seen.append((item, row, argv, parent))
    ids = services.store_processes(row for _, row, _, _ in seen)
    return [
        SeenProcess(item, row, ids[row[:3]], argv, parent.argv, parent.traceparent)
        for item, row, argv, parent in seen
        if row[:3] in ids
    ]


def _run_of(item: Item, book: RunBook) -> TrainingRun | None:
    """The run by what the process itself shows: its marker, its cgroup, or that it is the run's root."""
    record, host = item.record, item.batch.host_id
    if record.marker and (run := book.by_marker.get(record.marker)):
        return run
    if record.cgroup and (run := book.holding(host, record.cgroup)):
        return run
    for place in book.placements.get(host, ()):
        if (place.root_pid, place.root_start_ticks) == (record.pid, record.start_ticks):
            return book.by_id.get(place.run_id)
    return None


def _argv(item: Item) -> tuple[str, ...]:
    """The arguments, up to what is kept of them."""
    kept, left = [], LONGEST_ARGUMENTS
    for word in item.record.argv[:MOST_ARGUMENTS]:
        kept.append(storable(word, limit=min(LONGEST_ARGUMENT, left)))
        left -= len(kept[-1])
        if left <= 0:
            break
    return tuple(kept)


def _ticks(item: Item) -> int:
    """The start time; where the host could not read it, a negative number that no real one can be."""
    ticks = item.record.start_ticks
    return int(ticks) if ticks is not None else -int(item.record.at * 1000) - 1


def _row(item: Item, argv: tuple[str, ...], run: TrainingRun | None) -> ProcessRow:
    record = item.record
    return ProcessRow(
        host_id=item.batch.host_id,
        pid=record.pid,
        start_ticks=_ticks(item),
        ppid=record.ppid or 0,
        argv=_encode(argv).decode(),
        exe=storable(record.exe or "", limit=LONGEST_PATH),
        cwd=storable(record.cwd or "", limit=LONGEST_PATH),
        uid=record.uid,
        cgroup=storable(record.cgroup or "", limit=LONGEST_PATH),
        netns=record.netns,
        marker=storable(record.marker or "", limit=120),
        traceparent=storable(record.traceparent or "", limit=64),
        run_id=run.pk if run else None,
        truncated=record.truncated or sum(map(len, record.argv)) > sum(map(len, argv)),
        batch_id=item.batch.id,
        started_at=item.at,
        received_at=item.batch.received_at,
    )


def end(lot: Lot) -> None:
    """The ended processes have ended."""
    services.end_processes(
        EndRow(item.batch.host_id, item.record.pid, item.record.start_ticks, item.at, item.record.exit_code)
        for item in lot.of(records.ProcessEnd)
    )


def open_sockets(lot: Lot) -> list[SeenSocket]:
    """The opened sockets are stored with their owners."""
    pairs = [(item, _socket(item)) for item in lot.of(records.SocketOpen)]
    ids = services.store_sockets(row for _, row in pairs)
    found = ((item, row, ids.get((row.batch_id, row.position))) for item, row in pairs)
    return [SeenSocket(item, row, *stored) for item, row, stored in found if stored]


def _socket(item: Item) -> SocketRow:
    record = item.record
    return SocketRow(
        host_id=item.batch.host_id,
        pid=record.pid,
        start_ticks=record.start_ticks,
        netns=record.netns,
        proto=storable(record.proto, limit=8),
        state=storable(record.state, limit=16),
        local=storable(record.local, limit=64),
        remote=storable(record.remote or "", limit=64),
        batch_id=item.batch.id,
        position=item.position,
        opened_at=item.at,
        received_at=item.batch.received_at,
    )


def close_sockets(lot: Lot) -> None:
    """The closed sockets are closed."""
    services.close_sockets(
        CloseRow(
            item.batch.host_id,
            item.record.pid,
            storable(item.record.local, limit=64),
            storable(item.record.remote or "", limit=64),
            item.at,
        )
        for item in lot.of(records.SocketClose)
    )
