"""What the person at the terminal reads: one line for each thing that happened, with its time."""

import sys
import time
from contextlib import suppress


def say(text: str) -> None:
    """`text` stands on the terminal; a terminal that is gone stops nothing."""
    with suppress(OSError, ValueError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def note(text: str) -> None:
    """Something happened after the start: the line begins with the time of day."""
    say(f"{time.strftime('%H:%M:%S')}  {text}")


class Stopwatch:
    """Tells what was done and how long it took since the last line."""

    def __init__(self) -> None:
        """The time runs from here."""
        self.begun = self.last = time.monotonic()

    def lap(self, name: str, text: str = "") -> None:
        """One step of the start is done."""
        now = time.monotonic()
        say(f"  {name:<12}{now - self.last:5.1f} s  {text}".rstrip())
        self.last = now

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begun
