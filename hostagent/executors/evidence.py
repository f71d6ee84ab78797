"""What the run was doing when it was frozen: captured before the stop destroys it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from hostagent import procfs
from hostagent.executors.finder import Member
from hostagent.sensors.namespaces import sockets_of
from hostagent.sensors.net_tables import Socket, socket_inodes

MAX_PROCESSES = 256
MAX_FILES = 64
MAX_ARGV_CHARS = 4096
MAX_NAME_CHARS = 256
MAX_ENV_NAMES = 64
MAX_BYTES = 512 * 1024  # of JSON; the server takes receipts up to twice that


class Evidence:
    """The frozen process tree, and the sockets whose end the proof will ask for."""

    def __init__(self) -> None:
        self.tree: list[dict[str, Any]] = []
        self.left_out = 0
        self._bytes = 0
        self.sockets: dict[int, tuple[Socket, int]] = {}  # by inode, with a witness of its namespace

    def capture(self, members: Iterable[Member]) -> None:
        tables: dict[int, dict[int, Socket]] = {}
        for member in members:
            if len(self.tree) >= MAX_PROCESSES or self._bytes >= MAX_BYTES:
                self.left_out += 1
                continue
            entry = self._process(member, tables)
            self._bytes += len(json.dumps(entry))
            self.tree.append(entry)

    def as_record(self) -> dict[str, Any]:
        return {"captured_at": time.time(), "tree": self.tree, "left_out": self.left_out}

    def _process(self, member: Member, tables: dict[int, dict[int, Socket]]) -> dict[str, Any]:
        pid = member.pid
        argv, cut = procfs.argv(pid)
        environ, found = procfs.environ(pid), procfs.stat(pid)
        return {
            "pid": pid,
            "start_ticks": member.start_ticks,
            "ppid": found.ppid if found else None,
            "state": found.state if found else None,
            "argv": shortened(argv),
            "truncated": cut,
            "exe": procfs.link(pid, "exe"),
            "cwd": procfs.link(pid, "cwd"),
            "uid": procfs.uid(pid),
            "cgroup": procfs.cgroup(pid),
            "marker": environ.marker,
            "traceparent": environ.traceparent,
            "env_names": [name[:MAX_NAME_CHARS] for name in environ.names[:MAX_ENV_NAMES]],
            "belongs_by": sorted(member.reasons),
            "sockets": self._sockets(pid, tables),
            "files": [
                name[:MAX_NAME_CHARS] for name in procfs.open_files(pid, MAX_FILES) if name.startswith("/")
            ],
        }

    def _sockets(self, pid: int, tables: dict[int, dict[int, Socket]]) -> list[dict[str, Any]]:
        inodes = socket_inodes(pid)
        netns = procfs.netns(pid)
        if not inodes or netns is None:
            return []
        if netns not in tables:
            tables[netns] = sockets_of(netns, pid) or {}
        held = [tables[netns][inode] for inode in inodes if inode in tables[netns]]
        for found in held:
            self.sockets[found.inode] = (found, netns)
        return [{"state": found.state, "local": found.local, "remote": found.remote} for found in held]


def shortened(argv: list[str]) -> list[str]:
    """Whole arguments until they add up to a screenful."""
    kept: list[str] = []
    room = MAX_ARGV_CHARS
    for arg in argv:
        kept.append(arg[:room])
        room -= len(arg)
        if room <= 0:
            break
    return kept
