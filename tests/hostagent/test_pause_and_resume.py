"""A paused run stands still, all of it, and goes on where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostagent import procfs
from tests.hostagent.acting import Launched, Orders, until

COUNTING = """
import os, time
path = os.environ["COUNT_FILE"]
while True:
    open(path, "a").write("x")
    time.sleep(0.01)
"""


# More that want to run than there are cores: a stop signal reaches most of them only some time slices later
BUSY = """
import os
for _ in range(4 * os.cpu_count()):
    if os.fork() == 0:
        while True:
            pass
os.wait()
"""


@pytest.fixture
def counting(launch: Callable[..., Launched], tmp_path: Path) -> tuple[Launched, Callable[[], int]]:
    path = tmp_path / "count"
    run = launch(COUNTING, COUNT_FILE=str(path))
    until(path.exists)
    return run, lambda: path.stat().st_size


@pytest.mark.cgroup
def test_pause_freezes_the_group_and_resume_thaws_it(
    agent: Callable[[], Any], counting: tuple[Launched, Callable[[], int]], orders: Orders
) -> None:
    agent()
    run, count = counting
    receipts = orders.give(run, "PAUSE")
    assert receipts[-1]["stage"] == "PAUSED"
    assert receipts[-1]["method"] == "cgroup.freeze"
    assert receipts[-1]["probes"]["cgroup"]["ok"]
    stood = count()
    assert orders.give(run, "PAUSE")[-1]["stage"] == "PAUSED"  # a second one changes nothing
    assert count() == stood
    assert orders.give(run, "RESUME")[-1]["stage"] == "RESUMED"
    assert until(lambda: count() > stood)


def test_without_a_group_pause_is_a_stop_signal_seen_in_every_process(
    agent: Callable[[], Any], counting: tuple[Launched, Callable[[], int]], orders: Orders
) -> None:
    agent()
    run, count = counting
    targets = {**orders.payload(run, "PAUSE")["targets"], "cgroup": None}
    receipts = orders.give(run, "PAUSE", targets=targets)
    assert receipts[-1]["stage"] == "PAUSED"
    assert receipts[-1]["method"] == "SIGSTOP"
    found = procfs.stat(run.known.root_pid)
    assert found is not None
    assert found.state == "T"
    stood = count()
    assert orders.give(run, "RESUME", targets=targets)[-1]["stage"] == "RESUMED"
    assert until(lambda: count() > stood)


def test_a_stop_signal_that_is_still_on_its_way_is_waited_for(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run = launch(BUSY, children=4 * (os.cpu_count() or 1))
    targets = {**orders.payload(run, "PAUSE")["targets"], "cgroup": None}
    last = orders.give(run, "PAUSE", targets=targets)[-1]
    assert (last["stage"], last["survivors"]) == ("PAUSED", [])
    states = [found.state for pid in run.marked() if (found := procfs.stat(pid))]
    assert states == ["T"] * (1 + 4 * (os.cpu_count() or 1))


@pytest.mark.cgroup
def test_a_paused_run_can_be_killed(
    agent: Callable[[], Any], counting: tuple[Launched, Callable[[], int]], orders: Orders
) -> None:
    agent()
    run, _ = counting
    os.kill(run.known.root_pid, signal.SIGSTOP)
    assert orders.give(run, "PAUSE")[-1]["stage"] == "PAUSED"
    assert orders.give(run, "KILL")[-1]["stage"] == "VERIFIED"
    assert run.marked() == []


def test_pausing_what_is_not_here_is_not_confirmed(agent: Callable[[], Any], orders: Orders) -> None:
    agent()
    receipts = orders.give(None, "PAUSE", marker="never-was")
    assert receipts[-1]["stage"] == "NOT_CONFIRMED"
    assert "nothing of this run" in receipts[-1]["detail"]
