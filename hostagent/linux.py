"""The few kernel calls Python has no name for."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
IN_MODIFY = 0x2
IN_CREATE = 0x100
IN_MOVED_TO = 0x80
IN_CLOEXEC = 0x80000
IN_NONBLOCK = 0x800

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """This process gets SIGTERM when its parent ends, and ends at once if that has happened already."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


class Watch:
    """Inotify on files and folders: readable when one of them changed."""

    def __init__(self) -> None:
        self.handle: int = _libc.inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
        if self.handle < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._watched: set[Path] = set()

    def add(self, path: Path) -> None:
        """Changes of `path` count from here on; a path that cannot be watched is left to polling."""
        if path in self._watched:
            return
        mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO
        if _libc.inotify_add_watch(self.handle, os.fsencode(path), mask) >= 0:
            self._watched.add(path)

    def forget(self, path: Path) -> None:
        self._watched.discard(path)

    def drain(self) -> None:
        try:
            while os.read(self.handle, 65536):
                pass
        except BlockingIOError:
            return
