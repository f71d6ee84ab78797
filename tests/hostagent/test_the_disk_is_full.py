"""A full disk costs records, and never a stop."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hostagent.config import State
from hostagent.enrol import enrol
from hostagent.journal import Journal, Step
from hostagent.spool import Spool, line_of
from tests.hostagent.acting import Launched, Orders, until
from tests.hostagent.stub import Stub


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return ballast
    return ballast


def test_the_spool_counts_what_a_full_disk_cost_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool.db")
    line = line_of({"kind": "span", "at": 1.0, "pad": os.urandom(20_000).hex()})
    assert spool.add([line]) is not None
    ballast = fill(small_disk)
    lost = sum(spool.add([line]) is None for _ in range(40))
    assert lost > 0
    assert spool.figures()["dropped"] == lost
    spool.acknowledge(1)
    ballast.unlink()
    assert until(lambda: spool.add([line_of({"kind": "span", "at": 2.0})]))
    assert spool.figures()["dropped"] == lost


def test_the_journal_goes_on_in_memory(small_disk: Path) -> None:
    journal = Journal(small_disk / "orders.db")
    fill(small_disk)
    text = "x" * 200_000
    assert journal.take(1, "n-1", text)
    assert journal.knows(1) == text
    assert not journal.take(1, "n-2", text)
    assert not journal.take(2, "n-1", text)
    journal.add([Step(1, number, f"{number}{text}", final=False) for number in range(2)])
    first, second = journal.unsent()
    assert (first.payload, second.payload) == (f"0{text}", f"1{text}")
    journal.sent([first.id])
    journal.add([Step(1, 2, f"2{text}", final=True)])
    _, third = journal.unsent()
    assert third.payload == f"2{text}"
    journal.sent([third.id])
    assert journal.unsent() == [second], "each has a number of its own, also after others have gone"


@pytest.mark.cgroup
def test_a_run_is_killed_and_proven_dead_with_no_byte_left_on_the_disk(
    small_disk: Path,
    stub: Stub,
    agent: Callable[[], Any],
    launch: Callable[..., Launched],
    orders: Orders,
) -> None:
    agent()
    run = launch("import time; time.sleep(300)")
    fill(small_disk)
    receipts = orders.give(run, "KILL")
    assert receipts[-1]["stage"] == "VERIFIED"
    assert [one["seq"] for one in receipts] == list(range(len(receipts)))
    assert run.marked() == []


@pytest.fixture
def state(request: pytest.FixtureRequest, stub: Stub, small_disk: Path) -> State:
    """The agent's whole state lies on the small disk."""
    made = State(small_disk / "state")
    until(lambda: _enrolled(made, stub))
    return made


def _enrolled(state: State, stub: Stub) -> bool:
    try:
        enrol(state, server=stub.url, token="t")
    except ConnectionError:
        return False
    return True
