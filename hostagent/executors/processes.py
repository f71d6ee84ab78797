"""Pause, resume and kill of a run's processes on this host.

A kill freezes first, so that nothing can run from it and the evidence stands still; then the kernel kills
the whole group at once, and everything outside that belongs to the run goes by pidfd, until a look finds
nothing. Only the probes say whether it is over.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hostagent import procfs
from hostagent.executors import probes, signals
from hostagent.executors.evidence import Evidence
from hostagent.executors.finder import Finder, Member, Members, Target
from hostagent.protocol import OrderPayload, Probe, Stage, Survivor

FREEZE_S = 0.5
MAX_ROUNDS = 50


class Report(Protocol):
    """Where stages go; must not make the executor wait."""

    def __call__(self, stage: Stage, **fields: Any) -> None: ...


@dataclass
class Limits:
    """How long a stop may take before it is called what it is."""

    kill_s: float = 30.0  # a process with hundreds of GiB takes seconds to be torn down
    watch_step_s: float = 0.25
    respawns: int = 5


@dataclass
class Outcome:
    """What one round of killing came to."""

    probes: dict[str, Probe]
    survivors: list[Survivor]
    took: dict[str, float]
    before: int
    after: int

    @property
    def dead(self) -> bool:
        return not self.survivors and all(probe["ok"] for probe in self.probes.values())


class Stopwatch:
    """Milliseconds from one step to the next."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.took[name] = round((now - self._last) * 1000, 3)
        self._last = now


@dataclass
class ProcessExecutor:
    """Carries out one order on this host."""

    order: OrderPayload
    report: Report
    limits: Limits = field(default_factory=Limits)
    stopping: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.target = Target.of(self.order)
        self.finder = Finder(self.target)
        self.evidence = Evidence()

    @property
    def method(self) -> str:
        return "cgroup.kill" if self.target.group is not None else "pidfd"

    def kill(self) -> bool:
        """The run is dead on every probe and WATCHING says so, or a final receipt says why not."""
        return self._settle(self._kill_round(), detail=self._scope())

    def watch(self) -> None:
        """Nothing came back for as long as the order says, or it was killed again; the last receipt."""
        respawned = 0
        wanted = max(0.0, float(self.order["respawn_watch_s"]))
        since = time.monotonic()
        while (watched := time.monotonic() - since) < wanted:
            if self.stopping():
                return  # the journal still has the order open: the next start watches again
            time.sleep(min(self.limits.watch_step_s, wanted - watched))
            back = self.finder.find()
            if not back:
                continue
            respawned += 1
            pids = ", ".join(str(pid) for pid in sorted(back)[:10])
            detail = f"came back within the watch: {len(back)} processes ({pids}); killed again"
            if not self._settle(self._kill_round(), detail=detail, respawned=respawned):
                return
            since = time.monotonic()
        final = self._probe()
        quiet = f"nothing came back for {watched:.1f} s"
        detail = f"{quiet}, after {respawned} respawns" if respawned else quiet
        final["respawn"] = {"ok": True, "seconds": round(watched, 3), "detail": detail}
        stage: Stage = "VERIFIED" if all(probe["ok"] for probe in final.values()) else "NOT_CONFIRMED"
        self.report(stage, probes=final, method=self.method, processes_after=0, detail=self._scope())

    def pause(self) -> None:
        """Every process of the run stands still, or the receipt says that it is not known."""
        watch = Stopwatch()
        frozen, members = self._freeze()
        watch.lap("freeze_ms")
        moving = [member for member in self._outside(members) if not member.stands]
        ok = frozen and not moving and bool(members)
        detail = "" if members else "nothing of this run was found on this host"
        self.report(
            "PAUSED" if ok else "NOT_CONFIRMED",
            took=watch.took,
            method="cgroup.freeze" if self.target.group is not None else "SIGSTOP",
            probes={"cgroup": self._frozen_probe(frozen), "marker": still_probe(moving)},
            processes_before=len(members),
            processes_after=len(members),
            survivors=[describe(member) for member in moving],
            detail=detail,
        )

    def resume(self) -> None:
        """Every process of the run runs again, or the receipt says that it is not known."""
        watch = Stopwatch()
        thawed = True
        if self.target.group is not None:
            self.target.group.freeze(False)
            thawed = self.target.group.wait_event("frozen", "0", seconds=FREEZE_S)
        members = self.finder.find()
        outside = self._outside(members)
        signals.close_all(signals.send_all(outside, signal.SIGCONT))
        watch.lap("freeze_ms")
        still = unmet(outside, lambda member: member.runs, seconds=FREEZE_S)
        ok = thawed and not still and bool(members)
        detail = "frozen 0" if thawed else "cgroup.events does not say frozen 0"
        self.report(
            "RESUMED" if ok else "NOT_CONFIRMED",
            took=watch.took,
            method="cgroup.freeze" if self.target.group is not None else "SIGCONT",
            probes={"cgroup": {"ok": thawed, "detail": detail}},
            processes_before=len(members),
            processes_after=len(members),
            survivors=[describe(member) for member in still],
            detail="" if members else "nothing of this run was found on this host",
        )

    def _kill_round(self) -> Outcome:
        watch = Stopwatch()
        frozen, members = self._freeze()
        watch.lap("freeze_ms")
        before = len(members)
        self.report(
            "FROZEN", took=dict(watch.took), processes_before=before, detail=self._frozen_detail(frozen)
        )
        self.evidence.capture(members.values())
        watch.lap("capture_ms")
        self.report(
            "CAPTURED", took=dict(watch.took), evidence=self.evidence.as_record(), processes_before=before
        )
        self._signal(members)
        watch.lap("kill_ms")
        self.report("SIGNALLED", took=dict(watch.took), method=self.method, processes_before=before)
        found = self._probe()
        left = self.finder.survivors()
        watch.lap("verify_ms")
        survivors = [describe(member) for member in left]
        return Outcome(found, survivors, watch.took, before, len(left))

    def _settle(self, outcome: Outcome, *, detail: str, respawned: int = 0) -> bool:
        """WATCHING when all are dead; otherwise the final receipt."""
        stage: Stage = "WATCHING"
        if respawned >= self.limits.respawns:
            stage, detail = "SURVIVED", f"{detail}; it came back {respawned} times and may come back again"
        elif not outcome.dead:
            stage = "SURVIVED" if outcome.survivors else "NOT_CONFIRMED"
        self.report(
            stage,
            took=outcome.took,
            method=self.method,
            probes=outcome.probes,
            processes_before=outcome.before,
            processes_after=outcome.after,
            survivors=outcome.survivors,
            detail=detail,
        )
        return stage == "WATCHING"

    def _freeze(self) -> tuple[bool, Members]:
        """All that is found stands still, also what appeared meanwhile; whether the kernel confirms it."""
        frozen = True
        if self.target.group is not None:
            self.target.group.freeze()
            frozen = self.target.group.wait_event("frozen", "1", seconds=FREEZE_S)
        members: Members = {}
        deadline = time.monotonic() + FREEZE_S
        for turn in range(MAX_ROUNDS):
            now = self.finder.find(quick=turn > 0)
            fresh = [member for member in self._outside(now) if member.pid not in members]
            signals.close_all(signals.send_all(fresh, signal.SIGSTOP))
            # The signal arrives when a thread next leaves the kernel; until then it may still fork
            unmet(fresh, lambda member: member.stands, seconds=deadline - time.monotonic())
            members = now
            if not fresh:
                break
        return frozen, members

    def _signal(self, members: Members) -> None:
        """SIGKILL to the group as a whole and to each one outside, until a look finds none or time is up."""
        deadline = time.monotonic() + self.limits.kill_s
        group = self.target.group
        for _ in range(MAX_ROUNDS):
            whole = group is not None and group.kill()
            outside = self._outside(members) if whole else list(members.values())
            handles = signals.send_all(outside, signal.SIGKILL)
            signals.wait_ended(handles, seconds=max(deadline - time.monotonic(), 0.01))
            if group is not None and group.exists():
                group.wait_event("populated", "0", seconds=max(deadline - time.monotonic(), 0.01))
            members = self.finder.find(quick=True)
            if not members or time.monotonic() >= deadline:
                return

    def _outside(self, members: Members) -> list[Member]:
        inside = self.finder.inside()
        return [member for member in members.values() if member.pid not in inside]

    def _probe(self) -> dict[str, Probe]:
        return {
            "cgroup": probes.probe_cgroup(self.finder),
            "marker": probes.probe_marker(self.finder),
            "gpu": probes.probe_gpu(self.finder),
            "sockets": probes.probe_sockets(self.evidence),
        }

    def _frozen_probe(self, frozen: bool) -> Probe:
        if self.target.group is None:
            return {"ok": True, "detail": self.target.why_no_group}
        return {"ok": frozen, "detail": self._frozen_detail(frozen)}

    def _frozen_detail(self, frozen: bool) -> str:
        if self.target.group is None:
            return f"stopped one by one: {self.target.why_no_group}"
        return "frozen 1" if frozen else "the kernel did not confirm the freeze in time"

    def _scope(self) -> str:
        return "" if self.finder.seen else "nothing of this run was found on this host"


def still_probe(moving: list[Member]) -> Probe:
    pids = [member.pid for member in moving]
    detail = f"{len(pids)} processes outside the cgroup still run" if pids else "none outside the cgroup runs"
    return {"ok": not pids, "detail": detail, "pids": pids}


def unmet(members: list[Member], met: Callable[[Member], bool], *, seconds: float) -> list[Member]:
    """Those that do not meet the condition within the time, asked again every millisecond."""
    deadline = time.monotonic() + seconds
    while left := [member for member in members if not met(member)]:
        if time.monotonic() >= deadline:
            return left
        time.sleep(0.001)
    return []


def describe(member: Member) -> Survivor:
    """Who is left and what the kernel says it waits for."""
    found = procfs.stat(member.pid)
    return {
        "pid": member.pid,
        "start_ticks": member.start_ticks,
        "argv": procfs.argv(member.pid)[0][:32],
        "state": found.state if found else "gone",
        "wchan": procfs.wchan(member.pid),
    }
