"""/proc, read cheaply and without trust: every field can be gone, cut short or written by an AI agent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from hostagent.protocol import ENV_RUN, ENV_TRACEPARENT

MAX_ARGV_BYTES = 32 * 1024
MAX_ARGS = 512
MAX_ARG_CHARS = 8 * 1024
MAX_ENVIRON_BYTES = 256 * 1024
MAX_ENV_NAMES = 256
MAX_ENV_NAME_CHARS = 128
MAX_ENV_VALUE_CHARS = 256
MAX_PATH_CHARS = 4096
KERNEL_THREAD = 0x00200000  # PF_KTHREAD
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stat:
    """The part of /proc/PID/stat that says which process this is and how it is doing."""

    pid: int
    comm: str
    state: str
    ppid: int
    start_ticks: int
    kernel: bool
    threads: int

    @property
    def ended(self) -> bool:
        """Nothing of it runs. A first thread that has left while others go on reads `Z` too, and is not."""
        return self.state in "ZX" and self.threads <= 1


@dataclass(frozen=True)
class Environ:
    """Names of the environment, and the only two values that are ever taken from it."""

    names: list[str]
    marker: str | None
    traceparent: str | None
    truncated: bool


def pids() -> Iterator[int]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone, many times a minute
        if name.isdigit():
            yield int(name)


def read(path: str, limit: int = 65536) -> bytes | None:
    """Up to `limit` bytes of one /proc file; None when the process is gone or not ours to read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        chunks, size = [], 0
        while size < limit:
            chunk = os.read(handle, min(limit - size, 65536))
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)
    except OSError:
        return None
    finally:
        os.close(handle)


def stat(pid: int) -> Stat | None:
    data = read(f"/proc/{pid}/stat", 4096)
    return parse_stat(pid, data) if data else None


def parse_stat(pid: int, data: bytes) -> Stat | None:
    """The fields after the last ')': the name before it may hold spaces and brackets."""
    head, _, tail = data.rpartition(b") ")
    fields = tail.split(b" ", 21)
    if len(fields) < 21:
        return None
    return Stat(
        pid=pid,
        comm=text(head.partition(b"(")[2]),
        state=fields[0].decode("ascii", "replace"),
        ppid=int(fields[1]),
        start_ticks=int(fields[19]),
        kernel=bool(int(fields[6]) & KERNEL_THREAD),
        threads=int(fields[17]),
    )


def start_ticks(pid: int) -> int | None:
    found = stat(pid)
    return found.start_ticks if found else None


def alive(pid: int, ticks: int) -> bool:
    """Whether this very process, and not a later one with its number, still runs (a zombie does not)."""
    found = stat(pid)
    return found is not None and found.start_ticks == ticks and not found.ended


def thread_states(pid: int, ticks: int) -> str:
    """The state letter of each thread of this very process; empty when it has ended."""
    found = stat(pid)
    if found is None or found.start_ticks != ticks or found.ended:
        return ""
    texts = (read(f"/proc/{pid}/task/{thread}/stat", 4096) for thread in threads(pid))
    states = (parse_stat(pid, text) for text in texts if text)
    return "".join(state.state for state in states if state is not None)


def threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return []


def argv(pid: int) -> tuple[list[str], bool]:
    """The arguments as a list, and whether they were cut."""
    data = read(f"/proc/{pid}/cmdline", MAX_ARGV_BYTES + 1)
    return split_argv(data) if data else ([], False)


def split_argv(data: bytes) -> tuple[list[str], bool]:
    cut = len(data) > MAX_ARGV_BYTES
    parts = data[:MAX_ARGV_BYTES].removesuffix(b"\0").split(b"\0")
    cut = cut or len(parts) > MAX_ARGS
    args = [text(part) for part in parts[:MAX_ARGS]]
    if any(len(arg) > MAX_ARG_CHARS for arg in args):
        cut, args = True, [arg[:MAX_ARG_CHARS] for arg in args]
    return args, cut


def environ(pid: int) -> Environ:
    data = raw_environ(pid) or b""
    names: list[str] = []
    values: dict[str, str] = {}
    for entry in data[:MAX_ENVIRON_BYTES].split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if not equals:
            continue
        key = text(name)[:MAX_ENV_NAME_CHARS]
        if len(names) < MAX_ENV_NAMES:
            names.append(key)
        if key in (ENV_RUN, ENV_TRACEPARENT):
            values.setdefault(key, text(value)[:MAX_ENV_VALUE_CHARS])
    cut = len(data) > MAX_ENVIRON_BYTES or len(names) == MAX_ENV_NAMES
    return Environ(names, values.get(ENV_RUN) or None, values.get(ENV_TRACEPARENT) or None, cut)


def raw_environ(pid: int) -> bytes | None:
    """The environment as it is in memory, in as few calls as can be: a kill reads that of every process.

    Empty for a process that has none or is gone; None for one that this user may not read. A process whose
    first thread has left shows its environment by the others alone.
    """
    data = _environ_at(f"/proc/{pid}/environ")
    if data != b"" or len(others := threads(pid)) < 2:
        return data
    seen = (_environ_at(f"/proc/{pid}/task/{other}/environ") for other in others)
    return next((found for found in seen if found), b"")


def _environ_at(path: str) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return None
    except OSError:
        return b""
    try:
        data = os.read(handle, 65536)
        while len(data) % 65536 == 0 and 0 < len(data) <= MAX_ENVIRON_BYTES:
            more = os.read(handle, 65536)
            if not more:
                break
            data += more
        return data
    except PermissionError:
        return None
    except OSError:
        return b""
    finally:
        os.close(handle)


def has_marker(pid: int, needle: bytes) -> bool:
    """Whether the process carries the marker that `marker_needle` was made for."""
    data = raw_environ(pid)
    return bool(data) and needle in b"\0" + (data or b"") + b"\0"


def marker_needle(marker: str) -> bytes:
    return b"\0" + f"{ENV_RUN}={marker}".encode() + b"\0"


def link(pid: int, name: str) -> str | None:
    """Where /proc/PID/<name> points: exe (with `(deleted)` when it is), cwd, ns/net."""
    try:
        return printable(os.readlink(f"/proc/{pid}/{name}"))[:MAX_PATH_CHARS]  # noqa: PTH115
    except OSError:
        return None


def netns(pid: int) -> int | None:
    return parse_ns(link(pid, "ns/net"))


def parse_ns(target: str | None) -> int | None:
    number = (target or "").removeprefix("net:[").removesuffix("]")
    return int(number) if number.isdigit() else None


def uid(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return None


def cgroup(pid: int) -> str | None:
    data = read(f"/proc/{pid}/cgroup", 16384)
    for line in (data or b"").split(b"\n"):
        if line.startswith(b"0::"):
            return text(line[3:])[:MAX_PATH_CHARS]
    return None


def wchan(pid: int) -> str:
    """The kernel function a stuck process waits in, where the kernel tells."""
    return text(read(f"/proc/{pid}/wchan", 256) or b"")


def open_files(pid: int, limit: int = 256) -> list[str]:
    """Names behind the open descriptors: paths, `socket:[inode]`, `pipe:[inode]`."""
    found: list[str] = []
    try:
        handles = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:
        return found
    for handle in handles[:limit]:
        try:
            found.append(printable(os.readlink(f"/proc/{pid}/fd/{handle}"))[:MAX_PATH_CHARS])  # noqa: PTH115
        except OSError:
            continue
    return found


@lru_cache(maxsize=1)
def boot_time() -> float:
    """Unix time of the boot, as the kernel reckons it with the wall clock of now."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def started_at(ticks: int) -> float:
    """Unix time at which a process with these start ticks began."""
    return boot_time() + ticks / TICKS


def text(data: bytes) -> str:
    """Bytes of unknown origin as text that JSON, SQL and a screen can carry: no NUL, no lone surrogate."""
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")


def printable(value: str) -> str:
    """A file name from the kernel as such text (undecodable bytes arrive as surrogates)."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
