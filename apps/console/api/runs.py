"""Training runs, and where each stands: what an order would be aimed at."""

from datetime import datetime
from typing import Any, Literal

from ninja import Router, Schema

from apps.accounts.roles import Right
from apps.console.api.bearer import Bearer, ScriptRequest, found
from apps.console.api.problems import ERRORS
from apps.console.api.shapes import PAGE, Before, HostRef, Id, Size, next_of
from apps.fleet.choices import LIVE_RUNS
from apps.fleet.models import Placement, TrainingRun
from apps.response import services as response
from apps.response.choices import Action

router = Router(tags=["runs"], auth=Bearer(Right.VIEW))


class RunShape(Schema):
    """A training run. `killed` is set by signed proof of every host, by nothing else."""

    id: int
    name: str
    marker: str
    state: str
    framework: str
    lineage: str
    owner: str
    policy: str
    base_checkpoint: str
    parent_run: str
    drill: bool
    global_step: int | None
    started_at: datetime
    ended_at: datetime | None
    end_reason: str


class RunPage(Schema):
    """Runs, newest first, and the cursor of those before them."""

    items: list[RunShape]
    next: int | None


class PlacementShape(Schema):
    """Where a run stands (or stood) on one host."""

    host: HostRef
    cgroup: str
    root_pid: int
    root_start_ticks: int
    gpus: list[Any]
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Placement) -> "PlacementShape":
        names = ("cgroup", "root_pid", "root_start_ticks", "gpus", "started_at", "ended_at")
        return cls(host=HostRef.of(row.host), **{name: getattr(row, name) for name in names})


class RunDetail(Schema):
    """A run with its hosts, its native ids and what it said about itself."""

    run: RunShape
    placements: list[PlacementShape]
    native_ids: dict[str, Any]
    contract: dict[str, Any]  # as its launch told it; what holds: /runs/{run_id}/contract


class AimedShape(Schema):
    """One host that an order would go to. `link`: seen, late (it may not arrive) or none (it cannot)."""

    host: HostRef
    link: str
    cgroup: str
    root_pid: int | None
    root_start_ticks: int | None
    processes: int
    gpus: list[Any]


class AimShape(Schema):
    """What an order would be aimed at. `digest` has to come back with the order."""

    run: int
    digest: str
    processes: int
    allowed: list[Action]
    targets: list[AimedShape]


@router.get("", response={200: RunPage, **ERRORS})
def list_runs(
    request: ScriptRequest, state: Literal["live", "all"] = "live", before: Before = None, size: Size = PAGE
) -> RunPage:
    """Runs, newest first; those running or paused unless all are asked for."""
    rows = TrainingRun.objects.order_by("-id")
    if state == "live":
        rows = rows.filter(state__in=LIVE_RUNS)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    runs = list(rows[: size + 1])
    items = [RunShape.from_orm(row) for row in runs[:size]]
    return RunPage(items=items, next=next_of([row.pk for row in runs], size))


@router.get("/{run_id}", response={200: RunDetail, **ERRORS})
def get_run(request: ScriptRequest, run_id: Id) -> RunDetail:
    """One run."""
    run = run_of(run_id)
    placements = run.placements.select_related("host").order_by("host__name")
    return RunDetail(
        run=RunShape.from_orm(run),
        placements=[PlacementShape.of(row) for row in placements],
        native_ids=run.native_ids,
        contract=run.contract,
    )


@router.get("/{run_id}/targets", response={200: AimShape, **ERRORS})
def get_targets(request: ScriptRequest, run_id: Id) -> AimShape:
    """What an order on this run would be aimed at right now."""
    seen = response.preview(run_of(run_id))
    return AimShape(
        run=run_id,
        digest=seen.digest,
        processes=seen.processes,
        allowed=[action for action in Action if seen.allows(action)],
        targets=[
            AimedShape(
                host=HostRef.of(target.host),
                link=target.link,
                cgroup=target.cgroup,
                root_pid=target.root_pid,
                root_start_ticks=target.root_start_ticks,
                processes=len(target.pids),
                gpus=target.gpus,
            )
            for target in seen.targets
        ],
    )


def run_of(pk: int) -> TrainingRun:
    """The run, or the 404."""
    return found(TrainingRun.objects.filter(pk=pk).first())
