"""The proof of death: four questions to the kernel, each with its own answer."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from hostagent import procfs
from hostagent.executors.evidence import Evidence
from hostagent.executors.finder import Finder
from hostagent.protocol import Probe
from hostagent.sensors.namespaces import sockets_of
from hostagent.sensors.net_tables import socket_inodes

REMOVE_S = 0.5


def probe_cgroup(finder: Finder) -> Probe:
    """The group is empty and, what only an empty one can be, removed."""
    group = finder.target.group
    if group is None:
        return {"ok": True, "detail": finder.target.why_no_group}
    populated = group.event("populated")
    if populated not in ("0", None):
        return {"ok": False, "detail": "cgroup.events says populated 1", "pids": group.pids()}
    deadline = time.monotonic() + REMOVE_S
    while not group.remove():
        if time.monotonic() > deadline:
            return {
                "ok": False,
                "detail": "populated 0, but the group cannot be removed",
                "pids": group.pids(),
            }
        time.sleep(0.001)
    return {"ok": True, "detail": f"{group.path}: populated 0, removed"}


def probe_marker(finder: Finder) -> Probe:
    """Nothing on this host carries the run's marker, descends from it, or is one of those seen before."""
    left = {member.pid for member in finder.survivors()} | set(finder.find())
    if left:
        return {"ok": False, "detail": f"{len(left)} processes of the run are alive", "pids": sorted(left)}
    blind = f"; {finder.unreadable} processes of other users could not be read" if finder.unreadable else ""
    return {
        "ok": True,
        "detail": f"none of {len(finder.seen)} left, no other carries the marker{blind}",
        "pids": [],
    }


def probe_gpu(finder: Finder) -> Probe:
    """No process of the run holds a GPU device open."""
    devices = [path for path in Path("/dev").glob("nvidia*") if not path.is_dir()]
    if not devices:
        return {"ok": True, "detail": "no GPU device on this host"}
    holders = [
        member.pid
        for member in finder.survivors()
        if any(name.startswith("/dev/nvidia") for name in procfs.open_files(member.pid, 4096))
    ]
    if holders:
        return {"ok": False, "detail": "processes of the run hold a GPU device", "pids": holders}
    return {
        "ok": True,
        "detail": f"no holder of {len(devices)} device files is left from the run",
        "pids": [],
    }


def probe_sockets(evidence: Evidence) -> Probe:
    """Every socket the run had is gone; one that lives on was handed to somebody outside."""
    left: list[str] = []
    holders: set[int] = set()
    for netns in {netns for _, netns in evidence.sockets.values()}:
        witness = witness_of(netns)
        if witness is None:
            continue  # the namespace died with its last process, and its sockets with it
        now = sockets_of(netns, witness) or {}
        alive = {inode for inode, (_, home) in evidence.sockets.items() if home == netns and inode in now}
        left += [f"{now[inode].local} -> {now[inode].remote or 'listening'}" for inode in alive]
        if alive:
            holders |= {pid for pid in procfs.pids() if socket_inodes(pid) & alive}
    if left:
        detail = f"{len(left)} sockets live on: {', '.join(sorted(left)[:5])}"
        return {"ok": False, "detail": detail, "pids": sorted(holders)}
    return {"ok": True, "detail": f"all {len(evidence.sockets)} sockets of the run are gone", "pids": []}


def witness_of(netns: int) -> int | None:
    """Some process in this network namespace; this one, most of the time."""
    for pid in (os.getpid(), 1):
        if procfs.netns(pid) == netns:
            return pid
    with contextlib.suppress(OSError):
        return next((pid for pid in procfs.pids() if procfs.netns(pid) == netns), None)
    return None
