"""Where a run stands right now: what an order will be aimed at, and the digest of what a person saw of it."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.fleet.choices import LIVE_RUNS, AgentState
from apps.fleet.models import Host, HostAgent, Placement, TrainingRun
from apps.response.choices import Action
from apps.response.signing import canonical
from apps.telemetry.models import Process

MOST_PIDS = 2_000  # an order stays far below what a host agent reads


@dataclass(frozen=True, slots=True)
class Target:
    """One host with something of the run on it."""

    host: Host
    agent: HostAgent | None  # None: nobody there takes orders
    cgroup: str
    root_pid: int | None
    root_start_ticks: int | None
    gpus: list[Any]
    pids: list[tuple[int, int]]  # live processes that are known, as (pid, start time)

    @property
    def seen_at(self) -> datetime | None:
        """When the host agent was last heard."""
        return self.agent.last_seen_at if self.agent else None

    @property
    def link(self) -> str:
        """`seen`, `late` (an order may not arrive) or `none` (it cannot)."""
        if self.agent is None:
            return "none"
        since = timezone.now() - timedelta(seconds=settings.HOST_LATE_SECONDS)
        return "seen" if self.seen_at and self.seen_at >= since else "late"

    @property
    def aim(self) -> dict[str, Any]:
        """What the digest covers. Not the single processes: they come and go every second under the cgroup,
        the root process and the marker, which are what a host agent goes by."""
        return {
            "host": self.host.pk,
            "agent": str(self.agent.uuid) if self.agent else None,
            "cgroup": self.cgroup,
            "root": [self.root_pid, self.root_start_ticks],
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """What a person is shown before an order. `digest` comes back with the order and has to fit."""

    run: TrainingRun
    targets: list[Target]
    digest: str

    @property
    def live(self) -> bool:
        """Whether there is anything to order: a run that ended may have left processes behind."""
        return bool(self.targets) and (
            self.run.state in LIVE_RUNS or any(target.pids for target in self.targets)
        )

    @property
    def processes(self) -> int:
        """Known live processes on all hosts."""
        return sum(len(target.pids) for target in self.targets)

    def allows(self, action: str) -> bool:
        """Whether `action` makes sense for a run in this state."""
        return self.live and (action == Action.KILL or self.run.state in LIVE_RUNS)


def preview(run: TrainingRun) -> Preview:
    """The hosts where `run` stands or has left processes, and the digest of that."""
    placements = {row.host_id: row for row in Placement.objects.filter(run=run).select_related("host")}
    living = _living(run)
    ids = {pk for pk, row in placements.items() if row.ended_at is None} | living.keys()
    agents = {row.host_id: row for row in HostAgent.objects.filter(host__in=ids, state=AgentState.ACTIVE)}
    hosts = {pk: row.host for pk, row in placements.items() if pk in ids}
    hosts |= Host.objects.in_bulk(ids - hosts.keys())
    targets = [
        _target(host, agents.get(host.pk), placements.get(host.pk), living.get(host.pk, []))
        for host in sorted(hosts.values(), key=lambda host: host.name)
    ]
    parameters = {"run": run.pk, "marker": run.marker, "targets": [target.aim for target in targets]}
    return Preview(run, targets, hashlib.sha256(canonical(parameters).encode()).hexdigest())


def _living(run: TrainingRun) -> dict[int, list[tuple[int, int]]]:
    rows = Process.objects.filter(run=run, ended_at=None).order_by("-started_at")
    living: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for host_id, pid, ticks in rows.values_list("host_id", "pid", "start_ticks")[: MOST_PIDS * 50]:
        if len(living[host_id]) < MOST_PIDS:
            living[host_id].append((pid, ticks))
    return living


def _target(
    host: Host, agent: HostAgent | None, placement: Placement | None, pids: list[tuple[int, int]]
) -> Target:
    if placement is None:
        return Target(host, agent, "", None, None, [], pids)
    return Target(
        host,
        agent,
        placement.cgroup,
        placement.root_pid,
        placement.root_start_ticks,
        placement.gpus,
        pids,
    )
