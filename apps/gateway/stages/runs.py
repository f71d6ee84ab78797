"""Runs of a lot: started before anything else is stored, stepped and ended after."""

from dataclasses import dataclass, field
from typing import Any

from apps.core.jsontext import storable_json
from apps.fleet import runs
from apps.fleet.runs import Act
from apps.fleet.selectors import RunBook
from apps.gateway import records
from apps.gateway.lot import Item, Lot
from apps.telemetry import services


@dataclass(slots=True)
class RunNews:
    """Runs that began, and runs that moved."""

    started: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    acts: list[Act] = field(default_factory=list)


def start(lot: Lot) -> RunNews:
    """Every run that began is known."""
    news = RunNews()
    starts = [_start(item) for item in lot.of(records.RunStart)]
    for start in sorted(
        starts, key=lambda start: start.marker
    ):  # as every worker does: no waiting in a circle
        run, act = runs.start_run(start)
        news.started.add(run.pk)
        news.acts += [act] if act else []
    return news


def _start(item: Item) -> runs.Start:
    record = item.record
    return runs.Start(
        host_id=item.batch.host_id,
        host_name=item.batch.host_name,
        at=item.at,
        name=record.run,
        marker=record.marker or record.run,
        root_pid=record.root_pid,
        root_start_ticks=record.root_start_ticks,
        cgroup=record.cgroup or "",
        framework=record.framework or "",
        lineage=record.lineage or "",
        owner=record.owner or "",
        policy=record.policy or "",
        base_checkpoint=record.base_checkpoint or "",
        parent_run=record.parent_run or "",
        drill=record.drill,
        native_ids=storable_json(record.native_ids),
        contract=storable_json(record.contract),
        gpus=storable_json(record.gpus),
    )


def claim(lot: Lot, book: RunBook) -> None:
    """Processes that were seen before their run was told of belong to it."""
    for item in lot.of(records.RunStart):
        run = book.named(_start(item).marker)
        if run is not None:
            cgroup = book.cgroup_of(run.pk, item.batch.host_id) or ""
            services.claim_processes(run.pk, host_id=item.batch.host_id, marker=run.marker, cgroup=cgroup)


def step_and_end(lot: Lot, book: RunBook, news: RunNews) -> None:
    """Runs have reached their last step, and those that ended have ended."""
    steps: dict[int, int] = {}
    for item in lot.of(records.RunStep):
        if run := book.named(item.record.run):
            steps[run.pk] = max(item.record.global_step, steps.get(run.pk, 0))
    news.changed |= {pk for pk, step in sorted(steps.items()) if runs.note_step(pk, step)}
    ends = [(run.pk, _end(item)) for item in lot.of(records.RunEnd) if (run := book.named(item.record.run))]
    for pk, end in sorted(ends, key=lambda pair: pair[0]):
        if act := runs.end_run(pk, end):
            news.changed.add(pk)
            news.acts.append(act)


def _end(item: Item) -> runs.End:
    reason = item.record.reason or "ended"
    code = item.record.exit_code
    said = reason if code is None else f"{reason} (exit code {code})"
    return runs.End(host_id=item.batch.host_id, at=item.at, name=item.record.run, reason=said)


def gap_detail(record: records.Gap) -> dict[str, Any]:
    """What was lost, as it is stored and shown."""
    names = ("dropped", "reason", "from_at", "to_at", "from_sequence", "to_sequence", "kinds")
    return {name: value for name in names if (value := getattr(record, name)) not in (None, {}, "")}
