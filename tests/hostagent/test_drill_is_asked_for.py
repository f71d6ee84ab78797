"""A drill that the server asks for: signed, once, in time, where a host allows it, never in a stop's way."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from Crypto.PublicKey import ECC

from hostagent import procfs, runs
from hostagent.config import State
from tests.hostagent.acting import Launched, Orders, until
from tests.hostagent.conftest import ENV
from tests.hostagent.stub import Stub

Agent = subprocess.Popen[bytes]
SLEEP = "import time; time.sleep(300)"


class Asking:
    """Requests as the server signs them, and what the host answered."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.numbers = itertools.count(1)

    def payload(self, **changes: Any) -> dict[str, Any]:
        number = next(self.numbers)
        plain = Orders(self.stub).payload(None, "DRILL")
        own = {"order_id": -number, "number": f"DR-{number:04}", "nonce": f"drill-{number}", "drill": True}
        return {**plain, **own, "play": {"name": "rome", "seconds": 60}, **changes}

    def ask(self, **changes: Any) -> int:
        payload = self.payload(**changes)
        self.stub.order(payload)
        return int(payload["order_id"])

    def stages(self, order_id: int) -> list[str]:
        self.heard(order_id, "DELIVERED")
        return self.stub.stages(order_id)

    def heard(self, order_id: int, stage: str, seconds: float = 40) -> dict[str, Any]:
        """The receipt of that stage, as soon as it is there."""

        def found() -> list[dict[str, Any]]:
            return [r for r in self.stub.receipts if r["order_id"] == order_id and r["stage"] == stage]

        return self.stub.wait(found, seconds)[0]


@pytest.fixture
def asking(stub: Stub) -> Asking:
    return Asking(stub)


@pytest.fixture
def willing(state: State, stub: Stub) -> Iterator[Callable[[], Agent]]:
    """An agent that was started with `--allow-drills`."""
    running: list[Agent] = []

    def start() -> Agent:
        argv = [sys.executable, "-m", "hostagent", "run", "--state", str(state.root), "--allow-drills"]
        running.append(subprocess.Popen(argv, env=ENV))
        stub.wait(lambda: stub.bells)
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(15)
    until(lambda: not drills(state), seconds=20)


def drills(state: State) -> list[runs.Run]:
    return [run for run in runs.all_runs(state) if run.drill and run.running]


def test_it_is_played_as_a_child_of_the_agent_and_a_kill_of_its_run_ends_it(
    willing: Callable[[], Agent], asking: Asking, orders: Orders, state: State, stub: Stub
) -> None:
    agent = willing()
    number = asking.ask()
    run = asking.heard(number, "STARTED")["run"]
    assert run.startswith("drill-rome-")
    (playing,) = drills(state)
    launcher = procfs.stat(playing.launcher_pid)
    assert launcher is not None
    assert (playing.run, launcher.ppid) == (run, agent.pid)
    assert os.getpriority(os.PRIO_PROCESS, playing.launcher_pid) == 0
    (start,) = stub.wait(lambda: stub.records("run.start"), 20)
    assert (start["run"], start["drill"]) == (run, True)

    orders.give(Launched(run, agent, playing), "KILL", order_id=7, nonce="kill")  # type: ignore[arg-type]
    assert stub.stages(7)[-1] == "VERIFIED"
    assert "SIGKILL" in asking.heard(number, "ENDED")["detail"]
    assert asking.stages(number) == ["DELIVERED", "STARTED", "ENDED"]
    assert agent.poll() is None


def test_a_host_that_was_not_told_to_allow_drills_refuses(
    agent: Callable[[], Agent], asking: Asking, state: State
) -> None:
    agent()
    number = asking.ask()
    assert "does not allow drills" in asking.heard(number, "REFUSED")["detail"]
    assert asking.stages(number) == ["DELIVERED", "REFUSED"]
    assert list(runs.all_runs(state)) == []


def test_a_host_that_was_enrolled_to_allow_drills_plays_them(
    agent: Callable[[], Agent], asking: Asking, state: State
) -> None:
    from dataclasses import replace

    assert not state.identity().allow_drills
    state.save_identity(replace(state.identity(), allow_drills=True))
    agent()
    asking.heard(asking.ask(play={"name": "rome", "seconds": 3}), "ENDED", 60)


def test_a_second_one_is_refused_while_the_first_is_played_and_the_next_is_not(
    willing: Callable[[], Agent], asking: Asking, state: State
) -> None:
    willing()
    first = asking.ask(play={"name": "rome", "seconds": 12})
    asking.heard(first, "DELIVERED")
    assert "running on this host already" in asking.heard(asking.ask(), "REFUSED")["detail"]
    asking.heard(first, "STARTED")
    assert "running on this host already" in asking.heard(asking.ask(), "REFUSED")["detail"]
    assert asking.heard(first, "ENDED", 60)["detail"] == "exited with 0"
    asking.heard(asking.ask(play={"name": "rome", "seconds": 3}), "ENDED", 60)


def test_one_that_a_person_started_at_the_host_counts_too(
    willing: Callable[[], Agent], asking: Asking, state: State
) -> None:
    argv = [sys.executable, "-m", "hostagent", "drill", "rome", "--state", str(state.root), "--seconds", "20"]
    by_hand = subprocess.Popen(argv, env=ENV)
    try:
        (run,) = until(lambda: drills(state), seconds=40)
        willing()
        assert run.run in asking.heard(asking.ask(), "REFUSED")["detail"]
    finally:
        by_hand.terminate()
        by_hand.wait(20)


@pytest.mark.parametrize(
    ("changed", "stage", "why"),
    [
        ({"expires_ms": 1}, "EXPIRED", "expired"),
        ({"host_id": "h-2"}, "REFUSED", "another host"),
        ({"play": {"name": "troy", "seconds": 60}}, "REFUSED", "no such drill"),
    ],
)
def test_what_is_not_for_this_host_and_this_moment_is_refused(
    willing: Callable[[], Agent], asking: Asking, state: State, changed: dict[str, Any], stage: str, why: str
) -> None:
    willing()
    assert why in asking.heard(asking.ask(**changed), stage)["detail"]
    assert list(runs.all_runs(state)) == []


def test_the_same_request_again_is_played_once_also_after_a_restart(
    willing: Callable[[], Agent], asking: Asking, state: State, stub: Stub
) -> None:
    agent = willing()
    number = asking.ask(play={"name": "rome", "seconds": 3})
    asking.heard(number, "ENDED", 60)
    stub.ring()
    agent.terminate()
    agent.wait(15)
    willing()
    later = asking.ask(nonce="drill-1")  # the nonce of the first
    assert "replayed" in asking.heard(later, "REFUSED")["detail"]
    assert asking.stages(number) == ["DELIVERED", "STARTED", "ENDED"]
    assert len(list(runs.all_runs(state))) == 1


def test_a_request_that_the_server_did_not_sign_is_news_and_plays_nothing(
    willing: Callable[[], Agent], asking: Asking, state: State, stub: Stub
) -> None:
    willing()
    stub.order(asking.payload(), key=ECC.generate(curve="Ed25519"))
    assert stub.wait(lambda: stub.records("alert"))[0]["rule"] == "forged-order"
    assert list(runs.all_runs(state)) == []


@pytest.mark.parametrize(
    "play",
    [None, {}, {"name": 1, "seconds": 60}, {"name": "rome", "seconds": 0}, {"name": "rome", "seconds": 9e9}],
)
def test_a_request_out_of_shape_is_none(
    willing: Callable[[], Agent], asking: Asking, state: State, stub: Stub, play: Any
) -> None:
    willing()
    asking.ask(play=play)
    stub.wait(lambda: stub.records("alert"))
    assert list(runs.all_runs(state)) == []


def test_when_the_agent_is_killed_the_drill_ends_and_the_next_agent_says_so(
    willing: Callable[[], Agent], asking: Asking, state: State
) -> None:
    agent = willing()
    number = asking.ask()
    asking.heard(number, "STARTED")
    agent.send_signal(signal.SIGKILL)
    agent.wait(10)
    until(lambda: not drills(state), seconds=20)
    willing()
    assert "restarted" in asking.heard(number, "ENDED")["detail"]


def test_a_stop_is_not_kept_waiting_by_a_drill_that_takes_its_time_to_stand(
    willing: Callable[[], Agent], asking: Asking, launch: Callable[..., Launched], orders: Orders
) -> None:
    """Both are listed at once, the drill first. Its keys and its sshd take hundreds of milliseconds."""
    willing()
    run = launch(SLEEP)
    drill = asking.ask()
    began = time.monotonic()
    receipts = orders.give(run, "KILL", order_id=9, nonce="kill")
    assert receipts[-1]["stage"] == "VERIFIED"
    assert receipts[0]["stage"] == "DELIVERED"
    dead = next(one for one in receipts if one["stage"] == "WATCHING")
    started = asking.heard(drill, "STARTED")
    assert dead["at_ms"] < started["at_ms"], "the run was dead before the drill stood"
    assert time.monotonic() - began < 60
