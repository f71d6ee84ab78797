"""A part that ends again and again is started later each time, and its log is named."""

import sys
import time
from pathlib import Path

import pytest

from sentinel.stack.part import LONGEST_DELAY, Part, State
from sentinel.stack.processes import Child
from tests.stack.running import until


def part_that_runs(code: str, folder: Path, *, once: bool = False) -> Part:
    return Part(Child(name="part", argv=[sys.executable, "-c", code], log=folder / "part.log"), once=once)


def lose(part: Part) -> float:
    """The part was started and lost; the answer is how long it is to wait."""
    part.due = 0
    part.tend()
    until(lambda: not part.child.running, seconds=10)
    part.tend()
    return part.due - time.monotonic()


def test_each_loss_doubles_the_wait_up_to_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = part_that_runs("raise SystemExit(3)", tmp_path)
    waits = [lose(part) for _ in range(3)]
    assert [wait <= limit for wait, limit in zip(waits, (0.5, 1, 2), strict=True)] == [True] * 3
    assert waits == sorted(waits)
    part.losses = 20
    assert lose(part) <= LONGEST_DELAY
    said = capsys.readouterr().out
    assert "part ended unasked (code 3); it starts again in 0.5 s." in said
    assert str(part.child.log) in said


def test_a_full_disk_is_named_as_the_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = part_that_runs("raise SystemExit('PANIC: No space left on device')", tmp_path)
    lose(part)
    assert "is full: free some space" in capsys.readouterr().out


def test_a_program_that_cannot_be_found_is_tried_again_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = Part(Child(name="part", argv=["/nowhere/program"], log=tmp_path / "part.log"))
    part.tend()
    assert part.state is State.DOWN
    assert "part cannot start" in capsys.readouterr().out


def test_a_part_that_ends_by_itself_is_not_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = part_that_runs("pass", tmp_path, once=True)
    lose(part)
    part.tend()
    assert part.state is State.DONE
    assert capsys.readouterr().out.count("part has ended.") == 1
