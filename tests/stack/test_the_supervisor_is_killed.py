"""kill -9 of the supervisor: its children go, and what could not go is taken over by the next start."""

import os
import signal

import pytest

from tests.stack.running import Stack, until

pytestmark = pytest.mark.stack


def test_children_end_with_it(stack: Stack) -> None:
    stack.start()
    stack.stop(signal.SIGKILL)
    until(lambda: not stack.left(), seconds=30, told=lambda: str(stack.left()))


def test_the_next_start_ends_what_was_left_and_runs(stack: Stack) -> None:
    stack.start()
    # Stopped processes do not act on the death of their parent: the hardest thing to find running.
    for name in ("web", "postgres"):
        os.kill(stack.pid(name), signal.SIGSTOP)
    stack.stop(signal.SIGKILL)
    left = stack.left()
    assert len(left) >= 2
    stack.start()
    assert "processes that an earlier start had left" in stack.said
    assert not left.keys() & stack.left().keys()
    assert stack.get("/accounts/login/") == 200
