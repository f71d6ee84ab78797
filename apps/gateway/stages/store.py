"""Store: what the hosts saw is in the tables of fleet and telemetry, and what of it is news is known."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from apps.core.jsontext import json_text
from apps.core.text import storable
from apps.fleet import heartbeats, selectors
from apps.fleet.selectors import RunBook
from apps.gateway import records
from apps.gateway.lot import Item, Lot
from apps.gateway.stages import calls, processes, runs
from apps.gateway.stages.calls import Calls
from apps.gateway.stages.processes import SeenProcess, SeenSocket
from apps.gateway.stages.runs import RunNews
from apps.telemetry import services
from apps.telemetry.inbox import Waiting
from apps.telemetry.rows import EventRow, GpuRow
from apps.telemetry.selectors import missing_numbers, named

REMEMBERED = timedelta(hours=24)  # how long a run that has ended still claims what carries its marker


@dataclass(slots=True)
class Kept:
    """What was stored and is news."""

    book: RunBook
    processes: list[SeenProcess] = field(default_factory=list)
    sockets: list[SeenSocket] = field(default_factory=list)
    calls: Calls = field(default_factory=Calls)
    runs: RunNews = field(default_factory=RunNews)
    hosts: set[int] = field(default_factory=set)  # whose own state is another than before
    missing: list[tuple[Waiting, int]] = field(
        default_factory=list
    )  # batches that never came, before this one


def store(lot: Lot) -> Kept:
    """Everything in `lot` that is a fact is stored, each once."""
    kept = Kept(RunBook())
    kept.runs = runs.start(lot)
    since = min(batch.received_at for batch in lot.batches) - REMEMBERED
    kept.book = selectors.run_book(lot.hosts(), names=lot.run_names(), since=since)
    kept.processes = processes.start(lot, kept.book)
    runs.claim(lot, kept.book)
    kept.sockets = processes.open_sockets(lot)
    processes.close_sockets(lot)
    processes.end(lot)
    kept.calls = calls.keep(lot, kept.book, kept.processes)
    _gpus(lot, kept.book)
    runs.step_and_end(lot, kept.book, kept.runs)
    _events(lot, kept.book)
    last = {batch.agent_id: batch for batch in lot.batches}
    kept.missing = _missing(last)
    heartbeats.note_heard({agent: (one.sequence, one.received_at) for agent, one in last.items()})
    kept.hosts = _beats(lot)
    return kept


def _missing(last: dict[int, Waiting]) -> list[tuple[Waiting, int]]:
    holes = missing_numbers({agent: batch.sequence for agent, batch in last.items()})
    return [(last[agent], number) for agent, number in sorted(holes.items())]


def _gpus(lot: Lot, book: RunBook) -> None:
    items = lot.of(records.GpuProcess)
    of = named([(i.batch.host_id, i.record.pid, i.record.start_ticks) for i in items])
    services.store_gpu_samples(
        GpuRow(
            host_id=item.batch.host_id,
            run_id=of.get(place, (0, None))[1],
            gpu_uuid=storable(item.record.gpu_uuid, limit=64),
            pid=item.record.pid,
            start_ticks=item.record.start_ticks or 0,
            memory_bytes=item.record.memory_bytes,
            sm_percent=item.record.sm_percent,
            occurred_at=item.at,
            received_at=item.batch.received_at,
        )
        for place, item in enumerate(items)
    )


def _events(lot: Lot, book: RunBook) -> None:
    """Gaps, steps, and what we could not read: kept as it came."""
    items = [item for kind in (records.Gap, records.RunStep, records.Unreadable) for item in lot.of(kind)]
    services.store_events(_event(item, book) for item in items)


def _event(item: Item, book: RunBook) -> EventRow:
    record = item.record
    data: dict[str, Any]
    if isinstance(record, records.Unreadable):
        kind, run, data = record.kind, None, {"problem": record.problem, "raw": record.raw}
    elif isinstance(record, records.RunStep):
        kind, run, data = "run.step", book.named(record.run), {"global_step": record.global_step}
    else:
        kind, run, data = "gap", None, runs.gap_detail(record)
    return EventRow(
        kind=storable(kind, limit=32),
        host_id=item.batch.host_id,
        run_id=run.pk if run else None,
        batch_id=item.batch.id,
        position=item.position,
        occurred_at=item.at,
        received_at=item.batch.received_at,
        data=json_text(data),
    )


def _beats(lot: Lot) -> set[int]:
    """The agents' own state is known; answers the hosts whose sensors now say something else."""
    beats = {item.batch.agent_id: item for item in lot.of(records.Heartbeat)}
    return {item.batch.host_id for agent, item in sorted(beats.items()) if heartbeats.keep_beat(_beat(item))}


def _beat(item: Item) -> heartbeats.Beat:
    record, offset = item.record, item.record.clock.get("offset_ms")
    return heartbeats.Beat(
        agent_id=item.batch.agent_id,
        sensors=record.sensors,
        spool=record.spool,
        offset_ms=None if offset is None else -offset,  # the agent says server minus host
        error_ms=record.clock.get("error_ms"),
        version=record.version,
        addresses=record.addresses,
    )
