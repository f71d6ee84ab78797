"""Signals to exactly one process, never to another that took its number."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable

from hostagent import procfs
from hostagent.executors.finder import Member


def send(member: Member, number: signal.Signals) -> int | None:
    """The signal went to this very process: its pidfd, to wait on; None when it was gone or not ours."""
    try:
        handle = os.pidfd_open(member.pid)
    except OSError:
        return None
    # The descriptor pins the process; if the start time still agrees, it is the one that was meant
    if procfs.start_ticks(member.pid) != member.start_ticks:
        os.close(handle)
        return None
    try:
        signal.pidfd_send_signal(handle, number)
    except OSError:
        os.close(handle)
        return None
    return handle


def send_all(members: Iterable[Member], number: signal.Signals) -> list[int]:
    return [handle for handle in (send(member, number) for member in members) if handle is not None]


def close_all(handles: Iterable[int]) -> None:
    for handle in handles:
        os.close(handle)


def wait_ended(handles: list[int], *, seconds: float) -> bool:
    """True when every one of them has ended; closes the descriptors either way."""
    deadline = time.monotonic() + seconds
    waiting = set(handles)
    poller = select.poll()
    for handle in waiting:
        poller.register(handle, select.POLLIN)
    try:
        while waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for handle, _ in poller.poll(left * 1000):
                poller.unregister(handle)
                waiting.discard(handle)
        return True
    finally:
        close_all(handles)
