"""Everything that belongs to a run on this host, however it tried to get away.

By its control group, by its marker in the environment, by descent from what is found, and by the exact
processes the order names. A process number counts only together with its start time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hostagent import cgroups, procfs
from hostagent.cgroups import Cgroup
from hostagent.protocol import OrderPayload

STOPPED = set("TtZX")  # by a signal or a tracer, or ended


@dataclass
class Member:
    """One process of the run, and why it counts as such."""

    pid: int
    start_ticks: int
    reasons: set[str] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        return procfs.alive(self.pid, self.start_ticks)

    @property
    def stands(self) -> bool:
        """Every thread of it is stopped, or it is gone."""
        return not set(procfs.thread_states(self.pid, self.start_ticks)) - STOPPED

    @property
    def runs(self) -> bool:
        """No thread of it is stopped any more, or it is gone."""
        return not set(procfs.thread_states(self.pid, self.start_ticks)) & {"T", "t"}


Members = dict[int, Member]


@dataclass
class Target:
    """What one order may touch."""

    marker: str
    group: Cgroup | None
    named: list[tuple[int, int]]
    protected: set[int]
    why_no_group: str = ""

    @classmethod
    def of(cls, order: OrderPayload) -> Target:
        targets = order["targets"]
        named = [(pid, ticks) for pid, ticks in targets.get("pids") or []]
        root, ticks = targets.get("root_pid"), targets.get("root_start_ticks")
        if root is not None and ticks is not None:
            named.insert(0, (root, ticks))
        protected = protected_pids()
        group, why_not = safe_group(targets.get("cgroup"), protected)
        return cls(order["marker"], group, named, protected, why_not)


def safe_group(path: str | None, protected: set[int]) -> tuple[Cgroup | None, str]:
    """The run's group, unless stopping it would stop the host or this agent."""
    if not path:
        return None, "the run has no cgroup of its own"
    group = cgroups.open_group(path)
    if group is None:
        return None, f"cgroup {path} is gone"
    inside = protected & set(group.pids())
    if inside:
        return None, f"cgroup {path} holds protected processes {sorted(inside)}: not touched as a whole"
    return group, ""


def protected_pids() -> set[int]:
    """Init, this agent, what it descends from, and its own children: never to be stopped."""
    protected, pid = {1, os.getpid()}, os.getppid()
    while pid > 1 and pid not in protected:
        protected.add(pid)
        found = procfs.stat(pid)
        pid = found.ppid if found else 0
    return protected | set(children(os.getpid()))


def children(pid: int) -> list[int]:
    """Direct children of all threads of a process, by the kernel's own list."""
    found: list[int] = []
    for thread in procfs.threads(pid):
        data = procfs.read(f"/proc/{pid}/task/{thread}/children")
        found += [int(child) for child in (data or b"").split()]
    return found


class Finder:
    """Looks again and again until there is nothing new; remembers all it ever saw."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.seen: dict[tuple[int, int], Member] = {}
        self.unreadable = 0
        self._strangers: set[int] = set()
        self._needle = procfs.marker_needle(target.marker)

    def find(self, *, quick: bool = False) -> Members:
        """All of the run that is alive now. A quick look asks no process twice that was a stranger before."""
        members: Members = {}
        for pid, ticks in self.target.named:
            if procfs.alive(pid, ticks):
                self._add(members, pid, "named in the order")
        for pid in self.inside():
            self._add(members, pid, "cgroup")
        for pid in self._marked(known=set(members), quick=quick):
            self._add(members, pid, "marker")
        self._add_descendants(members)
        return members

    def inside(self) -> set[int]:
        """Those the run's group holds."""
        return set(self.target.group.pids()) if self.target.group is not None else set()

    def _marked(self, *, known: set[int], quick: bool) -> list[int]:
        """Processes anywhere on the host whose environment carries the run's marker."""
        found: list[int] = []
        strangers: set[int] = self._strangers if quick else set()
        unreadable = 0
        skip = known | self.target.protected
        for pid in procfs.pids():
            if pid in skip or pid in strangers:
                continue
            data = procfs.raw_environ(pid)
            if data is None:
                unreadable += 1
            elif self._needle in b"\0" + data + b"\0":
                found.append(pid)
                continue
            strangers.add(pid)
        self._strangers = strangers
        if not quick:
            self.unreadable = unreadable
        return found

    def survivors(self) -> list[Member]:
        """Everything ever seen of the run that still lives."""
        return [member for member in self.seen.values() if member.alive]

    def _add_descendants(self, members: Members) -> None:
        waiting = list(members)
        while waiting:
            fresh = [child for child in children(waiting.pop()) if child not in members]
            waiting += [child for child in fresh if self._add(members, child, "descendant")]

    def _add(self, members: Members, pid: int, reason: str) -> bool:
        if pid in self.target.protected:
            return False
        if pid in members:
            members[pid].reasons.add(reason)
            return True
        found = procfs.stat(pid)
        if found is None or found.kernel or found.ended:
            return False
        member = self.seen.setdefault((pid, found.start_ticks), Member(pid, found.start_ticks))
        member.reasons.add(reason)
        members[pid] = member
        return True
