"""One part of the running stack: when it ends unasked, it is started again, later each time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from signal import Signals

from sentinel.stack.problems import StackError
from sentinel.stack.processes import Child
from sentinel.stack.say import note

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
STEADY_SECONDS = 60.0  # after this long the next loss counts as a first one
SLOW_SECONDS = 60.0


class State(Enum):
    """Where a part is between two looks."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    DONE = "done"


def always() -> bool:
    """For a part that says nothing of its readiness: started is ready."""
    return True


@dataclass
class Part:
    """A child with what to do when it ends."""

    child: Child
    ready: Callable[[], bool] = always
    once: bool = False  # ends by itself: is not started again
    on_start: Callable[[str, int], None] = lambda name, pid: None
    state: State = State.DOWN
    losses: int = 0
    due: float = 0.0
    since: float = 0.0

    @property
    def name(self) -> str:
        """What the terminal and the log call it."""
        return self.child.name

    def start(self) -> None:
        """Its process runs and stands in the record."""
        self.child.start()
        self.on_start(self.name, self.child.pid)
        self.state, self.since = State.STARTING, time.monotonic()

    def tend(self) -> None:
        """One look: a loss is said and its restart set, a due restart is done, a return is said."""
        now = time.monotonic()
        if self.state is State.DONE:
            return
        if self.state is State.DOWN:
            if now >= self.due:
                self.try_start()
        elif not self.child.running:
            self.lost(now)
        elif self.state is State.STARTING:
            self.look_ready(now)
        elif now - self.since > STEADY_SECONDS:
            self.losses = 0

    def look_ready(self, now: float) -> None:
        """It counts as up as soon as it answers; being slow about it is said once."""
        if self.ready():
            if self.losses:
                note(f"{self.name} is back after {now - self.since:.1f} s.")
            self.state, self.since = State.UP, now
        elif 0 < self.since < now - SLOW_SECONDS:
            note(f"{self.name} has not answered for {SLOW_SECONDS:.0f} s; its log is {self.child.log}.")
            self.since = now

    def lost(self, now: float) -> None:
        """Its end is said with its cause; it is due again after a delay that doubles."""
        how = describe(self.child.reap())
        if self.once:
            self.state = State.DONE
            note(f"{self.name} has ended{'' if how == 'code 0' else f' ({how}, see {self.child.log})'}.")
            return
        delay = min(FIRST_DELAY * 2**self.losses, LONGEST_DELAY)
        self.losses += 1
        self.state, self.due = State.DOWN, now + delay
        note(f"{self.name} ended unasked ({how}); it starts again in {delay:g} s.{self.why()}")

    def why(self) -> str:
        """The cause that a person can mend, where the log names it."""
        if "No space left on device" in self.child.tail(40):
            return f" The disk that holds {self.child.log.parent.parent} is full: free some space."
        return f" Its log is {self.child.log}." if self.losses > 1 else ""

    def try_start(self) -> None:
        """It runs again; what hinders it is said, and the next try is set."""
        try:
            self.start()
        except (OSError, StackError) as error:
            delay = min(FIRST_DELAY * 2**self.losses, LONGEST_DELAY)
            self.losses += 1
            self.due = time.monotonic() + delay
            note(f"{self.name} cannot start ({error}); next try in {delay:g} s.")


def describe(code: int) -> str:
    """How a process ended, in words."""
    return Signals(-code).name if code < 0 else f"code {code}"
