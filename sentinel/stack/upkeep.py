"""What the watch does now and then: logs stay small, and a disk that fills up is said before it is full."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from sentinel.stack.say import note

LARGEST_LOG_BYTES = 32 * 1024 * 1024
LEAST_FREE_BYTES = 300 * 1024 * 1024  # a new database takes 40 MB, its write-ahead log grows from there
EVERY_SECONDS = 10.0


class Upkeep:
    """Looks after one home."""

    def __init__(self, home: Path) -> None:
        """The first look is due at once."""
        self.home = home
        self.due = 0.0
        self.short_of_space = False

    def look(self) -> None:
        """Logs and space were seen to, if that was due."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + EVERY_SECONDS
        keep_small(self.home / "log")
        self.warn_of_space(shutil.disk_usage(self.home).free)

    def warn_of_space(self, free: int) -> None:
        """The terminal says once that space runs out, and once that there is enough again."""
        short = free < LEAST_FREE_BYTES
        if short and not self.short_of_space:
            note(f"The disk that holds {self.home} has {free // 2**20} MiB left: free some space.")
        if self.short_of_space and not short:
            note(f"The disk that holds {self.home} has space again.")
        self.short_of_space = short


def keep_small(folder: Path) -> None:
    """A log that grew too large was copied to NAME.log.1 and begun anew.

    It is copied and cut, not renamed: its writer holds it open in append mode and goes on at the new end.
    """
    for log in folder.glob("*.log"):
        with suppress(OSError):
            if log.stat().st_size > LARGEST_LOG_BYTES:
                shutil.copy2(log, log.with_name(log.name + ".1"))
                with log.open("r+b") as file:
                    file.truncate(0)
