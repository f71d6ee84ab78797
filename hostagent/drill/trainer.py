"""The drill's training run: steps, episodes, environment workers, and a small service of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import NoReturn

from hostagent import linux
from hostagent.drill.stage import LOOPBACK, STOP_FILE, Stage, load
from hostagent.drill.story import STEP_S, WORKERS, acts
from hostagent.trace import RunTrace


class Trainer:
    """Plays the story once and ends."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._trace = RunTrace.from_environ()
        self._began = time.monotonic()
        self._step = 0
        self._workers = [self._hire() for _ in range(WORKERS)]
        self._turn = 0

    def play(self) -> None:
        for act in acts(self._stage):
            self._rest_until(act.at_s)
            self._give(act.command, act.episode)
        self._rest_until(self._stage.seconds)

    def _rest_until(self, at_s: float) -> None:
        while (now := time.monotonic() - self._began) < at_s:
            self._count_steps(now)
            time.sleep(min(at_s - now, 0.5))

    def _count_steps(self, now: float) -> None:
        while self._step <= now / STEP_S:
            self._trace.step(self._step)
            self._step += 1

    def _give(self, command: str, episode: int) -> None:
        """To the next worker; one that is busy has the call waiting, as a rollout would."""
        unasked = command.startswith("ssh ")
        worker = self._workers[-1] if unasked else self._workers[self._turn % (WORKERS - 1)]
        self._turn += 1
        line = json.dumps({"command": command, "episode": episode, "global_step": self._step})
        assert worker.stdin is not None  # noqa: S101 - opened as a pipe
        worker.stdin.write(line.encode() + b"\n")
        worker.stdin.flush()

    def _hire(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "hostagent.drill.worker", self._stage.folder, str(os.getpid())]
        return subprocess.Popen(argv, stdin=subprocess.PIPE)


def serve(port: int) -> None:
    """What the tunnel lets people outside reach."""
    door = socket.create_server((LOOPBACK, port))
    while True:
        caller, _ = door.accept()
        with caller:
            caller.settimeout(2.0)
            try:
                caller.recv(1024)
                caller.sendall(b"HTTP/1.0 200 OK\r\n\r\nstep 3\n")
                caller.recv(1024)
            except OSError:
                continue


def end(stage: Stage, code: int) -> NoReturn:
    """The run takes all its children with it; those that left the group end with the pool and the sshd."""
    (stage.path / STOP_FILE).touch()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    os._exit(code)


def main(folder: str, parent: int) -> NoReturn:
    linux.die_with_parent(parent)
    stage = load(folder)
    signal.signal(signal.SIGTERM, lambda *_: end(stage, 143))
    threading.Thread(target=serve, args=(stage.service_port,), daemon=True).start()
    Trainer(stage).play()
    end(stage, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
