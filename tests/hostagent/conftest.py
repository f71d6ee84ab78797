"""A stub server, an enrolled state directory, a running agent, and runs launched under it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostagent import cgroups, procfs, runs
from hostagent.config import State
from hostagent.enrol import enrol
from tests.hostagent.acting import Launched, Orders, until
from tests.hostagent.stub import Stub

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    group = cgroups.create(f"probe-{os.getpid()}")
    if group is not None:
        group.remove()
        return
    skip = pytest.mark.skip(reason="no writable cgroup v2 tree on this machine")
    for item in items:
        if item.get_closest_marker("cgroup"):
            item.add_marker(skip)


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def state(stub: Stub, tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    until(lambda: _enrolled(made, stub))
    return made


def _enrolled(state: State, stub: Stub) -> bool:
    with contextlib.suppress(ConnectionError):
        enrol(state, server=stub.url, token="t")
        return True
    return False


@pytest.fixture
def agent(state: State, stub: Stub) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the agent; waits until its bell is up."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "hostagent", "run", "--state", str(state.root)]
        process = subprocess.Popen(argv, env=ENV)
        running.append(process)
        stub.wait(lambda: stub.bells)
        return process

    yield start
    for process in running:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture
def launch(state: State) -> Iterator[Callable[..., Launched]]:
    """Launches a run by the command line and waits until it is known; what is left is killed afterwards."""
    launched: list[Launched] = []

    def start(code: str, *, name: str | None = None, children: int = 0, **env: str) -> Launched:
        run = name or f"run-{uuid.uuid4().hex[:8]}"
        argv = [sys.executable, "-m", "hostagent", "launch", "--state", str(state.root), "--run", run, "--"]
        process = subprocess.Popen([*argv, sys.executable, "-c", code], env={**ENV, **env})
        known = until(lambda: [one for one in runs.named(state, run) if one.launcher_pid == process.pid])[0]
        made = Launched(run, process, known)
        launched.append(made)
        until(lambda: len(made.marked()) >= 1 + children)
        return made

    yield start
    for made in launched:
        group = cgroups.open_group(made.known.cgroup) if made.known.cgroup else None
        if group is not None:
            group.kill()
        for pid in made.marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        made.process.wait(10)
        if group is not None:
            until(lambda group=group: group.remove())


@pytest.fixture
def orders(stub: Stub) -> Orders:
    return Orders(stub)


@pytest.fixture
def clean_marker() -> Iterator[str]:
    """A marker of no run; every process that carries it is killed afterwards."""
    marker = f"stray-{uuid.uuid4().hex[:8]}"
    yield marker
    needle = procfs.marker_needle(marker)
    for pid in procfs.pids():
        if procfs.has_marker(pid, needle):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    time.sleep(0)
