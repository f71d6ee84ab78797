"""Cgroup v2: found where it is mounted, one group per run, frozen and killed as a whole.

The mount is looked up and never assumed: on hybrid hosts v2 hangs beside the v1 controllers.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from functools import lru_cache
from pathlib import Path

PARENT = "sentinel"


@lru_cache(maxsize=1)
def find_mount() -> Path | None:
    """Where cgroup v2 is mounted, or None."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        left, _, right = line.partition(" - ")
        if right.split(" ", 1)[0] == "cgroup2":
            return Path(left.split(" ")[4].replace("\\040", " "))
    return None


def path_of(pid: int | str = "self") -> str | None:
    """The v2 group of a process, as the kernel writes it: `/sentinel/run-1`."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    return next((line[3:] for line in text.splitlines() if line.startswith("0::")), None)


def create(name: str) -> Cgroup | None:
    """A new, empty group for one run; None where this user may not make one."""
    mount = find_mount()
    if mount is None:
        return None
    own = (path_of() or "/").strip("/")
    for parent in (mount / PARENT, mount / own / PARENT):
        with contextlib.suppress(OSError):
            parent.mkdir(exist_ok=True)
            (parent / name).mkdir()
            if os.access(parent / name / "cgroup.procs", os.W_OK):
                return Cgroup(parent / name)
    return None


def open_group(path: str) -> Cgroup | None:
    """The existing group the kernel calls `path`; None for the root, a stranger's trick or nothing."""
    mount = find_mount()
    parts = [part for part in path.split("/") if part]
    if mount is None or not path.startswith("/") or not parts or {".", ".."} & set(parts):
        return None
    folder = mount.joinpath(*parts)
    return Cgroup(folder) if (folder / "cgroup.procs").is_file() else None


class Cgroup:
    """One group of cgroup v2 and everything below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def path(self) -> str:
        mount = find_mount()
        return "/" + str(self.folder.relative_to(mount)) if mount else str(self.folder)

    def exists(self) -> bool:
        return self.folder.is_dir()

    def groups(self) -> list[Path]:
        """This group and those below it, the deepest first."""
        return [Path(top) for top, _, _ in os.walk(self.folder, topdown=False)]

    def pids(self) -> list[int]:
        """Every process in this group or below it."""
        found: list[int] = []
        for folder in self.groups():
            with contextlib.suppress(OSError):
                found += map(int, (folder / "cgroup.procs").read_text().split())
        return found

    def enter(self) -> None:
        """The calling process is in the group from here on, and so is all it starts."""
        (self.folder / "cgroup.procs").write_text("0")

    def freeze(self, frozen: bool = True) -> bool:
        """The kernel took the wish; `wait_event` tells when it came true."""
        return self._write("cgroup.freeze", "1" if frozen else "0")

    def kill(self) -> bool:
        """SIGKILL is on its way to all in the group, forks in flight included; False where that cannot be."""
        return self._write("cgroup.kill", "1")

    def event(self, key: str) -> str | None:
        """One value of cgroup.events; None when the group is gone."""
        try:
            text = (self.folder / "cgroup.events").read_text()
        except OSError:
            return None
        return next((line.split()[1] for line in text.splitlines() if line.startswith(key + " ")), None)

    def wait_event(self, key: str, value: str, *, seconds: float) -> bool:
        """True as soon as cgroup.events says `key value`, by the kernel's own notice; else False in time."""
        deadline = time.monotonic() + seconds
        try:
            handle = os.open(self.folder / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            poller = select.poll()
            poller.register(handle, select.POLLPRI | select.POLLERR)
            wanted = f"{key} {value}".encode()
            while wanted not in os.pread(handle, 4096, 0).split(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                # Bounded, because the kernel holds a second notice back for 10 ms after the first
                poller.poll(min(left, 0.001) * 1000)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True

    def _write(self, name: str, text: str) -> bool:
        try:
            (self.folder / name).write_text(text)
        except OSError:
            return False
        return True

    def remove(self) -> bool:
        """True once the group and all below it are removed: the kernel's word that nothing is in it."""
        for folder in self.groups():
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return not self.exists()
