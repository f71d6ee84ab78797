"""The drill `rome`: a training run whose agent opens a reverse tunnel, mines and probes.

Real processes, loopback only, at most a twentieth of a core, and over by itself. It is marked as a drill
from its first record on.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable

from hostagent.config import State
from hostagent.drill import outside, stage
from hostagent.launcher import Launch, launch
from hostagent.runs import Run


def play(state: State, *, seconds: float, say: Callable[[str], None]) -> int:
    """The drill has been played to its end, or to its being killed; nothing of it is left."""
    scene = stage.build(seconds=seconds)
    name = f"drill-rome-{secrets.token_hex(2)}"
    try:
        beyond = raise_curtain(scene)
        try:
            scene = stage.load(scene.folder)  # the outside may have found that OpenSSH does not serve here
            say(f"{name}: tunnel by {scene.tunnel}")
            code = launch(state, program(scene, name), on_started=lambda run: say(started(run)))
        finally:
            lower_curtain(beyond)
    finally:
        stage.strike(scene)
    say(f"{name}: over ({'stopped from outside' if code else 'played to its end'})")
    return 0


def program(scene: stage.Stage, name: str) -> Launch:
    return Launch(
        run=name,
        argv=[sys.executable, "-m", "hostagent.drill.trainer", scene.folder, str(os.getpid())],
        framework="ROLL (drill)",
        lineage="drill",
        owner="drill",
        drill=True,
        native_ids={"drill": "rome", "tunnel": scene.tunnel},
        contract={"destinations": [], "note": "a drill: real processes, loopback only"},
    )


def raise_curtain(scene: stage.Stage) -> subprocess.Popen[bytes]:
    """The outside stands before the run starts."""
    argv = [sys.executable, "-m", "hostagent.drill.outside", scene.folder, str(os.getpid())]
    beyond = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert beyond.stdout is not None  # noqa: S101 - opened as a pipe
    line = beyond.stdout.readline().decode().strip()
    if line != outside.READY:
        beyond.kill()
        raise OSError("the drill's outside did not come up; its messages are above")
    return beyond


def lower_curtain(beyond: subprocess.Popen[bytes]) -> None:
    beyond.terminate()
    try:
        beyond.wait(10)
    except subprocess.TimeoutExpired:
        beyond.kill()
        beyond.wait()


def started(run: Run) -> str:
    place = f"cgroup {run.cgroup}" if run.cgroup else "a session of its own (no cgroup can be made here)"
    return f"{run.run}: running in {place}"
