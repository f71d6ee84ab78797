"""Children of the stack: each leads a session of its own, so that its whole group can be ended."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from sentinel.stack.preexec import prepare, refusal_explained
from sentinel.stack.problems import StackError

POLL_SECONDS = 0.02
CAN_LOOK = hasattr(os, "waitid")  # macOS has it from Python 3.13 on


@dataclass
class Child:
    """One process to start, watch and stop. What it prints goes to `log` alone."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    stdin: bytes = b""
    stop_signal: Signals = SIGTERM
    death_signal: Signals = SIGTERM
    patience: float = 4.0  # seconds between the wish to stop and force
    namespace: bool = False
    capture: bool = False  # stdout is for us to read when it has ended, not for the log
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """The process runs in a session of its own and ends when this one does."""
        self.process = spawn(self)
        if self.stdin and self.process.stdin:
            with suppress(BrokenPipeError), self.process.stdin as pipe:
                pipe.write(self.stdin)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and not has_ended(self.process)

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's; 0 before the first start."""
        return self.process.pid if self.process else 0

    def signal(self, signal: Signals) -> None:
        """The process has the signal, if it still runs (it is our child, so the pid is still its own)."""
        if self.running:
            os.kill(self.pid, signal)

    def stop(self) -> None:
        """The process and all of its group have ended, of their own or by force."""
        stop_together([self])

    def reap(self) -> int:
        """Nothing of its group is left; the answer is how it ended (minus the signal's number).

        The group goes first: until the leader is reaped, the kernel gives its number to nobody else.
        """
        if self.process is None:
            return 0
        if self.process.returncode is None or not CAN_LOOK:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, SIGKILL)
        return self.process.wait()

    def answer(self) -> str:
        """What a captured child wrote to stdout; it has to be short, nobody reads while it runs."""
        if self.process is None or self.process.stdout is None:
            return ""
        with self.process.stdout as pipe:
            return pipe.read().decode(errors="replace")

    def tail(self, lines: int = 3) -> str:
        """The last lines of its log on one line, for a message."""
        with suppress(OSError):
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                said = file.read().decode(errors="replace").strip().splitlines()
            return " / ".join(line.strip() for line in said[-lines:])
        return ""


def stop_together(children: Sequence[Child], hurried: Callable[[], bool] = lambda: False) -> None:
    """All of them were asked at once and have ended; by force after their patience or when hurried."""
    for child in children:
        child.signal(child.stop_signal)
    limit = time.monotonic() + max((child.patience for child in children), default=0)
    while any(child.running for child in children) and time.monotonic() < limit and not hurried():
        time.sleep(POLL_SECONDS)
    for child in children:
        child.reap()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether our child has ended; where the system lets it, unreaped, so its number stays its own."""
    if process.returncode is not None or not CAN_LOOK:
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def spawn(child: Child) -> subprocess.Popen[bytes]:
    """A process for `child`, its output appended to its log (readable to its owner only)."""
    log = os.open(child.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(log, "ab") as output, refusal_explained():
        return subprocess.Popen(
            list(child.argv),
            env=child.env,
            cwd=child.cwd,
            stdin=subprocess.PIPE if child.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if child.capture else output,
            stderr=output,
            start_new_session=True,
            preexec_fn=prepare(child.death_signal, namespace=child.namespace),
        )


def wait_until(ready: Callable[[], bool], child: Child, *, seconds: float) -> None:
    """`ready` has come true while `child` ran; else one sentence with the end of its log."""
    limit = time.monotonic() + seconds
    while not ready():
        if not child.running:
            raise StackError(f"{child.name} ended while starting ({child.log}): {child.tail()}")
        if time.monotonic() > limit:
            raise StackError(f"{child.name} was not ready after {seconds:.0f} s; its log is {child.log}.")
        time.sleep(POLL_SECONDS)
