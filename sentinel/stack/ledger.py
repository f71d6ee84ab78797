"""Which processes belong to this stack, on disk, so that a start after a kill -9 can take over."""

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from sentinel.stack.home import write_private
from sentinel.stack.problems import StackError

# Children inherit it, grandchildren that left the process group too: it tells whose they are.
MARK = "SENTINEL_STACK_INSTANCE"
GRACE_SECONDS, KILL_SECONDS = 4.0, 2.0


def started(pid: int) -> str:
    """When process `pid` started, so exactly that a reused number shows; empty when there is none."""
    if sys.platform == "linux":
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else fields[19]  # a zombie has ended, its parent is just slow
        return ""
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False)
    return told.stdout.decode().strip()


def boot() -> str:
    """This boot of the machine: process numbers of another one mean nothing."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


class Ledger:
    """The record of one stack, held under a lock for as long as its supervisor lives."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or held yet."""
        self.path = folder / "processes.json"
        self.lock_path = folder / "supervisor.lock"
        self.instance = secrets.token_hex(8)
        self.processes: dict[str, tuple[int, str]] = {}
        self.lock: IO[str] | None = None  # set while held

    def hold(self) -> None:
        """No other supervisor runs on this home. The kernel lets go of the lock when we end."""
        lock = self.lock_path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise StackError(
                f"Sentinel already runs on this folder (process {lock.read().strip() or '?'}): use that one,"
                " stop it first, or set SENTINEL_HOME and SENTINEL_PORT to start a second one."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self.lock = lock

    def record(self, name: str, pid: int) -> None:
        """The process stands in the record with its start time."""
        self.processes[name] = (pid, started(pid))
        record = {"boot": boot(), "instance": self.instance, "processes": self.processes}
        write_private(self.path, json.dumps(record))

    def clear(self) -> None:
        """Everything was stopped: nothing is left to take over."""
        self.path.unlink(missing_ok=True)

    def take_over(self) -> int:
        """What an earlier supervisor left running has ended; the answer is how many processes."""
        try:
            left = json.loads(self.path.read_text())
            recorded = [(int(pid), str(since)) for pid, since in left["processes"].values()]
            instance = str(left["instance"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        if left.get("boot") != boot():
            return 0
        ours = find_left(recorded, instance)
        end(ours)
        return len(ours)


def find_left(recorded: list[tuple[int, str]], instance: str) -> dict[int, str]:
    """Processes of that stack that still run, with their start times; a reused number is none of them."""
    left = {pid: since for pid, since in recorded if since and started(pid) == since}
    mark = f"{MARK}={instance}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                left[int(folder.name)] = started(int(folder.name))
    left.pop(os.getpid(), None)
    return left


def end(processes: dict[int, str], *, grace: float = GRACE_SECONDS) -> None:
    """None of them runs: asked first (PostgreSQL writes its pages on SIGINT), then by force."""
    for number, seconds in ((signal.SIGINT, grace), (signal.SIGKILL, KILL_SECONDS)):
        send(processes, number)
        send(processes, signal.SIGCONT)  # a stopped process hears nothing
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and any(started(pid) == since for pid, since in processes.items()):
            time.sleep(0.02)


def send(processes: dict[int, str], number: signal.Signals) -> None:
    """Those that are still the same process have the signal, and so has a group they lead."""
    for pid, since in processes.items():
        if started(pid) != since:
            continue
        with suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL and os.getpgid(pid) == pid:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
