"""The kill path and the observer do not need each other, and neither outlives the agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from hostagent import procfs
from hostagent.config import State
from hostagent.executors.finder import children
from tests.hostagent.acting import Launched, Orders, until
from tests.hostagent.conftest import ENV
from tests.hostagent.stub import Stub


def observer_of(agent: subprocess.Popen[bytes]) -> tuple[int, int]:
    def found() -> list[tuple[int, int]]:
        pairs = [(pid, procfs.start_ticks(pid) or 0) for pid in children(agent.pid)]
        return [pair for pair in pairs if "observe" in procfs.argv(pair[0])[0]]

    return until(found)[0]


def test_a_run_dies_while_the_observer_is_stuck(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    process = agent()
    run = launch("import time; time.sleep(300)")
    pid, _ = observer_of(process)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert orders.give(run, "KILL")[-1]["stage"] == "VERIFIED"
        assert run.marked() == []
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_observer_that_is_killed_comes_back_and_says_that_nobody_looked(
    agent: Callable[[], Any], stub: Stub
) -> None:
    process = agent()
    stub.wait(lambda: stub.records("heartbeat"))
    pid, _ = observer_of(process)
    os.kill(pid, signal.SIGKILL)
    gap = stub.wait(lambda: stub.records("gap"))[0]
    assert gap["reason"] == "the agent ended without warning"
    assert observer_of(process)[0] != pid


def test_the_observer_does_not_outlive_a_killed_agent(agent: Callable[[], Any]) -> None:
    process = agent()
    pid, ticks = observer_of(process)
    process.kill()
    process.wait()
    until(lambda: not procfs.alive(pid, ticks))


def test_one_agent_per_state_directory(agent: Callable[[], Any], state: State) -> None:
    agent()
    argv = [sys.executable, "-m", "hostagent", "run", "--state", str(state.root)]
    second = subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "another host agent runs" in second.stderr


def test_heartbeats_tell_of_every_part(agent: Callable[[], Any], stub: Stub) -> None:
    agent()
    beat = stub.wait(
        lambda: [one for one in stub.records("heartbeat") if one["sensors"]["orders"]["mode"] == "bell"]
    )[-1]
    assert set(beat["sensors"]) == {"processes", "sockets", "runs", "gpu", "orders"}
    assert all(one["ok"] for one in beat["sensors"].values())
    assert beat["clock"]["error_ms"] >= 0
    assert beat["spool"]["dropped"] == 0
