"""A whole stack of its own for a test: a real supervisor on a free port and a fresh home."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

from sentinel.env import ROOT
from sentinel.stack.ledger import find_left
from sentinel.stack.valkey import free_port

NOT_OURS = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "DJANGO_SETTINGS_MODULE",
    "SENTINEL_ADMIN_PASSWORD",
)
T = TypeVar("T")
START_SECONDS, LEAVE_SECONDS = 120.0, 15.0


def until(question: Callable[[], T], *, seconds: float, told: Callable[[], str] = str) -> T:
    """The first true answer; the test fails with `told` when there is none in time."""
    limit = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < limit, told()
        time.sleep(0.05)
    return answer


class Stack:
    """One supervisor with what it said."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.home = folder / "home"
        self.out = folder / "said.txt"
        self.port = free_port()
        base = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        own = {"SENTINEL_HOME": str(self.home), "SENTINEL_PORT": str(self.port), "SENTINEL_DRILL": "off"}
        self.env = base | own | env
        self.process: subprocess.Popen[bytes] | None = None
        self.instance = ""

    @property
    def said(self) -> str:
        return self.out.read_text() if self.out.exists() else ""

    def launch(self) -> None:
        """The supervisor runs; it may refuse."""
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sentinel.stack"], cwd=ROOT, env=self.env, stdout=out, stderr=out
            )

    def start(self) -> "Stack":
        """The stack says that it is ready."""
        self.launch()
        assert self.process
        until(
            lambda: "Ready in" in self.said or self.process.poll() is not None,
            seconds=START_SECONDS,
            told=lambda: self.said,
        )
        assert "Ready in" in self.said, self.said
        self.instance = json.loads((self.home / "run" / "processes.json").read_text())["instance"]
        return self

    def wait_said(self, text: str, *, seconds: float = 30) -> None:
        until(lambda: text in self.said, seconds=seconds, told=lambda: self.said)

    def pid(self, name: str) -> int:
        """The process of a part, by the record."""
        record = json.loads((self.home / "run" / "processes.json").read_text())
        return int(record["processes"][name][0])

    def left(self) -> dict[int, str]:
        """What still runs of this stack."""
        return find_left([], self.instance)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The supervisor has ended; the answer is its exit code."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LEAVE_SECONDS)

    def refusal(self) -> str:
        """What a supervisor said that would not start."""
        self.launch()
        assert self.process
        assert self.process.wait(START_SECONDS) == 1, self.said
        return self.said

    def move_port(self) -> None:
        """The next start has another port."""
        self.port = free_port()
        self.env["SENTINEL_PORT"] = str(self.port)

    def health(self) -> dict[str, Any]:
        """The parts as `/healthz` tells them."""
        with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10) as answer:
            return json.loads(answer.read())["parts"]

    def get(self, path: str) -> int:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return int(answer.status)
