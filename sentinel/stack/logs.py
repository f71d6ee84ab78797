"""The logs of the parts stay small enough to keep beside the data."""

import shutil
from contextlib import suppress
from pathlib import Path

LARGEST_BYTES = 32 * 1024 * 1024


def keep_small(folder: Path) -> None:
    """A log that grew too large was moved to NAME.log.1 and begun anew.

    It is copied and cut, not renamed: its writer holds it open in append mode and goes on at the new end.
    """
    for log in folder.glob("*.log"):
        with suppress(OSError):
            if log.stat().st_size > LARGEST_BYTES:
                shutil.copy2(log, log.with_name(log.name + ".1"))
                with log.open("r+b") as file:
                    file.truncate(0)
