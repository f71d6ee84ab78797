"""Training runs as their hosts report them: started, placed, stepping, ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.audit.services import SYSTEM, Subject, record
from apps.core.text import storable
from apps.core.transitions import move
from apps.fleet.choices import LIVE_RUNS, RunState
from apps.fleet.contracts import told_at_start
from apps.fleet.models import Episode, Placement, Sandbox, TrainingRun


@dataclass(frozen=True, slots=True)
class Start:
    """A run began, or another host joined it."""

    host_id: int
    host_name: str
    at: datetime
    name: str
    marker: str
    root_pid: int
    root_start_ticks: int
    cgroup: str = ""
    framework: str = ""
    lineage: str = ""
    owner: str = ""
    policy: str = ""
    base_checkpoint: str = ""
    parent_run: str = ""
    drill: bool = False
    native_ids: dict[str, Any] = field(default_factory=dict)
    contract: dict[str, Any] = field(default_factory=dict)
    gpus: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class End:
    """A run ended on one host."""

    host_id: int
    at: datetime
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Act:
    """What has to be recorded about a run, once everything else of the transaction is done."""

    action: str
    run: TrainingRun
    detail: dict[str, Any]


def record_acts(acts: Iterable[Act]) -> None:
    """The acts are in the audit trail. Its lock is held until the commit, so this comes last: whoever took
    it first and then waited for an incident would wait in a circle with one who closes that incident.
    """
    for act in acts:
        subject = Subject("run", str(act.run.pk), act.run.name)
        record(act.action, by=SYSTEM, subject=subject, drill=act.run.drill, **act.detail)


def start_run(start: Start) -> tuple[TrainingRun, Act | None]:
    """The run is known and stands on its host; the act is to be recorded. Told twice, nothing changes.

    A marker that comes again after its run ended means that the run goes on: it is live again, and the
    audit trail holds both.
    """
    marker = storable(start.marker, limit=120)
    run, fresh = TrainingRun.objects.get_or_create(
        marker=marker,
        defaults={
            "name": storable(start.name, limit=120),
            "framework": storable(start.framework, limit=40),
            "lineage": storable(start.lineage, limit=120),
            "owner": storable(start.owner, limit=120),
            "policy": storable(start.policy, limit=120),
            "base_checkpoint": storable(start.base_checkpoint, limit=400),
            "parent_run": storable(start.parent_run, limit=120),
            "drill": start.drill,
            "native_ids": start.native_ids,
            "contract": start.contract,
            "started_at": start.at,
        },
    )
    again = not fresh and _revived(run, start.at)
    _place(run, start)
    if not (fresh or again):
        return run, None
    told = told_at_start(run, start.host_name) if fresh else None
    detail = {"host": start.host_name, "marker": marker, "again": again}
    return run, Act("run.started", run, detail | ({"contract": told.body} if told else {}))


def _revived(run: TrainingRun, at: datetime) -> bool:
    rows = TrainingRun.objects.filter(pk=run.pk, ended_at__lt=at)
    frm = [RunState.ENDED, RunState.KILLED]
    if not move(rows, "state", frm=frm, to=RunState.RUNNING, ended_at=None, end_reason=""):
        return False
    run.refresh_from_db()
    return True


def _place(run: TrainingRun, start: Start) -> None:
    where = {
        "cgroup": storable(start.cgroup, limit=400),
        "root_pid": start.root_pid,
        "root_start_ticks": start.root_start_ticks,
        "gpus": start.gpus,
        "started_at": start.at,
        "ended_at": None,
    }
    placed, fresh = Placement.objects.get_or_create(run=run, host_id=start.host_id, defaults=where)
    if not fresh and placed.started_at < start.at:
        Placement.objects.filter(pk=placed.pk).update(**where)


def end_run(run_id: int, end: End) -> Act | None:
    """The run has ended on that host; and as a whole, when it was the last: then that is to be recorded."""
    placements = Placement.objects.filter(run_id=run_id, ended_at=None)
    placements.filter(host_id=end.host_id, started_at__lte=end.at).update(ended_at=end.at)
    if placements.exists():
        return None
    rows = TrainingRun.objects.filter(pk=run_id)
    reason = storable(end.reason, limit=200)
    if not move(rows, "state", frm=LIVE_RUNS, to=RunState.ENDED, ended_at=end.at, end_reason=reason):
        return None
    return Act("run.ended", rows.get(), {"reason": reason})


def note_step(run_id: int, global_step: int) -> bool:
    """The run has reached that step; False when it was there before."""
    behind = Q(global_step__lt=global_step) | Q(global_step=None)
    return bool(TrainingRun.objects.filter(behind, pk=run_id).update(global_step=global_step))


def keep_episodes(seen: Iterable[Episode]) -> dict[tuple[int, str], int]:
    """Every episode is there once; answers their ids by run and native id."""
    wanted = {(episode.run_id, episode.native_id): episode for episode in seen}
    rows: Sequence[Episode] = [wanted[key] for key in sorted(wanted)]
    if not rows:
        return {}
    Episode.objects.bulk_create(rows, ignore_conflicts=True)
    found = Episode.objects.filter(
        run_id__in={key[0] for key in wanted}, native_id__in={key[1] for key in wanted}
    )
    for episode in found:
        _fill(episode, wanted.get((episode.run_id, episode.native_id)))
    return {(episode.run_id, episode.native_id): episode.pk for episode in found}


def keep_sandboxes(seen: Iterable[tuple[int, str, int | None]]) -> dict[tuple[int, str], int]:
    """Every sandbox (run, native id, host) is there once; answers their ids by run and native id."""
    wanted: dict[tuple[int, str], int | None] = {}
    for run_id, native_id, host_id in seen:
        wanted[run_id, native_id] = wanted.get((run_id, native_id)) or host_id
    if not wanted:
        return {}
    rows = [Sandbox(run_id=key[0], native_id=key[1], host_id=wanted[key]) for key in sorted(wanted)]
    Sandbox.objects.bulk_create(rows, ignore_conflicts=True)
    found = Sandbox.objects.filter(
        run_id__in={key[0] for key in wanted}, native_id__in={key[1] for key in wanted}
    )
    return {(sandbox.run_id, sandbox.native_id): sandbox.pk for sandbox in found}


def _fill(kept: Episode, seen: Episode | None) -> None:
    """What was not known of an episode is filled in; what was known stays."""
    names = [name for name in ("global_step", "started_at", "ended_at") if getattr(kept, name) is None]
    news = {name: value for name in names if (value := getattr(seen, name, None)) is not None}
    if news:
        Episode.objects.filter(pk=kept.pk).update(**news)
