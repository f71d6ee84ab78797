"""TCP sockets with their owners, namespace by namespace: only what changes is reported.

At rest every namespace is looked at every two seconds. A new process of a run gets quick looks, because
a tunnel stands within 50 ms of its program's start.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time

from hostagent import protocol
from hostagent.outlet import Outlet
from hostagent.protocol import SensorState
from hostagent.sensors import namespaces
from hostagent.sensors.net_tables import Socket, socket_inodes
from hostagent.sensors.table import Known, ProcessTable

REST_S = 2.0
QUICK_LOOKS_S = (0.05, 0.2, 1.0)
CLOSEST_LOOKS_S = 0.03  # two looks at one namespace are never closer
RECENT_S = 15.0
FULL_SCAN_SHARE = 0.01  # of one core, for finding owners among all processes of the host
UNOWNED_LOOKS = 3  # after which a socket is reported without its owner

BLIND = (
    "A connection that opens and closes between two looks (2 s at rest, 50 ms after a run's process starts) "
    "is not seen; UDP, raw and unix sockets are not read."
)


class SocketSensor:
    """Keeps the last picture of each namespace and reports the differences."""

    name = "sockets"

    def __init__(
        self, outlet: Outlet, table: ProcessTable, *, own_pids: frozenset[int] = frozenset()
    ) -> None:
        self._outlet = outlet
        self._table = table
        self._own = own_pids | {os.getpid()}
        self._pictures: dict[int, dict[int, Socket]] = {}
        self._owners: dict[int, Known] = {}
        self._unowned: dict[int, int] = {}
        self._quick: list[tuple[float, int, Known]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._looked: dict[int, float] = {}
        self._full_scan_from = 0.0
        self._rested_at = 0.0
        self._mode = namespaces.mode()
        table.listen(self._schedule)

    def state(self) -> SensorState:
        fresh = time.monotonic() - self._rested_at < 5 * REST_S
        return {"mode": self._mode, "ok": fresh, "blind": BLIND}

    def run(self, stop: threading.Event) -> None:
        rest_due = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now >= rest_due:
                self.look_everywhere()
                rest_due = now + REST_S
            for known in self._take_due(now):
                self._quick_look(known, now)
            with self._changed:
                next_quick = self._quick[0][0] if self._quick else rest_due
                self._changed.wait(max(0.0, min(rest_due, next_quick, now + 0.5) - time.monotonic()))

    def look_everywhere(self) -> None:
        """Every namespace's picture is new."""
        places: dict[int, list[Known]] = {}
        for known in self._table.all():
            if known.netns is not None:
                places.setdefault(known.netns, []).append(known)
        for netns, inhabitants in places.items():
            self._look(netns, inhabitants)
        for netns in self._pictures.keys() - places.keys():
            self._compare(netns, {}, [])
            del self._pictures[netns]
        self._rested_at = time.monotonic()

    def _schedule(self, known: Known) -> None:
        if known.of_run and known.netns is not None:
            now = time.monotonic()
            with self._changed:
                for delay in QUICK_LOOKS_S:
                    heapq.heappush(self._quick, (now + delay, next(self._order), known))
                self._changed.notify()

    def _take_due(self, now: float) -> list[Known]:
        due: list[Known] = []
        with self._changed:
            while self._quick and self._quick[0][0] <= now:
                due.append(heapq.heappop(self._quick)[2])
        return due

    def _quick_look(self, known: Known, now: float) -> None:
        """A namespace is read only when the process holds a socket that its last picture lacks."""
        assert known.netns is not None  # noqa: S101 - _schedule took only those with one
        if now - self._looked.get(known.netns, 0.0) < CLOSEST_LOOKS_S:
            return
        picture = self._pictures.get(known.netns, {})
        if any(is_news(picture.get(inode)) for inode in socket_inodes(known.pid)):
            inhabitants = [other for other in self._table.all() if other.netns == known.netns]
            self._look(known.netns, inhabitants)

    def _look(self, netns: int, inhabitants: list[Known]) -> None:
        self._looked[netns] = time.monotonic()
        for witness in inhabitants:
            sockets = namespaces.sockets_of(netns, witness.pid)
            if sockets is not None:
                self._compare(netns, sockets, inhabitants)
                return

    def _compare(self, netns: int, sockets: dict[int, Socket], inhabitants: list[Known]) -> None:
        before = self._pictures.get(netns, {})
        self._pictures[netns] = sockets
        for inode in before.keys() - sockets.keys():
            self._closed(netns, before[inode])
        fresh = {inode for inode in sockets if before.get(inode) != sockets[inode]}
        waiting = fresh | (self._unowned.keys() & sockets.keys())
        if waiting:
            self._find_owners(waiting, sockets, inhabitants)
        for inode in waiting:
            self._opened(netns, sockets[inode])

    def _find_owners(self, inodes: set[int], sockets: dict[int, Socket], inhabitants: list[Known]) -> None:
        """Asks the likeliest first: the new, the runs', who listens on that port; then everyone, seldom."""
        missing = inodes - self._owners.keys()
        since = time.monotonic() - RECENT_S
        likely = [known for known in inhabitants if known.of_run or known.seen >= since]
        ports = {sockets[inode].local.rpartition(":")[2] for inode in missing}
        listeners = [
            self._owners[inode]
            for inode, known in sockets.items()
            if known.state == "LISTEN" and inode in self._owners and known.local.rpartition(":")[2] in ports
        ]
        self._ask(likely + listeners, missing)
        now = time.monotonic()
        if missing - self._owners.keys() and now >= self._full_scan_from:
            self._ask(inhabitants, missing)
            self._full_scan_from = now + (time.monotonic() - now) / FULL_SCAN_SHARE

    def _ask(self, candidates: list[Known], missing: set[int]) -> None:
        for known in candidates:
            if not missing - self._owners.keys():
                return
            for inode in socket_inodes(known.pid) & missing:
                self._owners.setdefault(inode, known)

    def _opened(self, netns: int, found: Socket) -> None:
        owner = self._owners.get(found.inode)
        looks = self._unowned.get(found.inode, 0) + 1
        if owner is None and looks < UNOWNED_LOOKS:
            self._unowned[found.inode] = looks
            return
        self._unowned.pop(found.inode, None)
        self._report(protocol.SOCKET_OPEN, netns, found)

    def _closed(self, netns: int, found: Socket) -> None:
        if self._unowned.pop(found.inode, None) is not None:
            self._report(protocol.SOCKET_OPEN, netns, found)  # gone before its owner was known: still a fact
        self._report(protocol.SOCKET_CLOSE, netns, found)
        self._owners.pop(found.inode, None)

    def _report(self, kind: str, netns: int, found: Socket) -> None:
        owner = self._owners.get(found.inode)
        if owner is not None and owner.pid in self._own:
            return
        self._outlet.put(
            {
                "kind": kind,
                "at": time.time(),
                "pid": owner.pid if owner else None,
                "start_ticks": owner.start_ticks if owner else None,
                "netns": netns,
                "family": found.family,
                "proto": "tcp",
                "state": found.state,
                "local": found.local,
                "remote": found.remote,
                "inode": found.inode,
            },
            urgent=owner is not None and owner.of_run,
        )


def is_news(known: Socket | None) -> bool:
    """Not seen before (a unix socket never is), or seen on its way to something else."""
    return known is None or known.state == "SYN_SENT"
