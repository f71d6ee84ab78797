"""Reading on in a growing file that someone else writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

MAX_LINE_BYTES = 1024 * 1024
MAX_READ_BYTES = 4 * 1024 * 1024  # at a time; the rest comes with the next look


class Tail:
    """Whole lines after `position`. The file may not be there yet, and may be cut or replaced."""

    def __init__(self, path: Path, position: int) -> None:
        self.path = path
        self.position = position
        self.overlong = 0  # lines too long to take, counted and passed over
        self.cut = 0  # times the file was shorter than what had been read of it

    def lines(self) -> Iterator[bytes]:
        """Complete lines; `position` stands behind the last one that was given."""
        data = self._read()
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) >= MAX_LINE_BYTES:
            self.overlong += 1
            self.position += len(data)
            return
        for line in data[:end].split(b"\n")[:-1]:
            self.position += len(line) + 1
            if len(line) > MAX_LINE_BYTES:
                self.overlong += 1
            elif line:
                yield line

    def _read(self) -> bytes:
        # The run may put a link or a pipe in the file's place: neither is followed, neither may block
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(self.path, flags)
        except OSError:
            return b""
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                return b""
            if found.st_size < self.position:
                self.cut += 1
                self.position = 0
            return os.pread(handle, MAX_READ_BYTES, self.position)
        except OSError:
            return b""
        finally:
            os.close(handle)
