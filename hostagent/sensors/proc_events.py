"""The kernel's process connector: fork, exec and exit as they happen, and how many were missed.

Works for root, and since Linux 6.6 for everyone, but only in the host's own network namespace. Process
numbers are the host's; in another pid namespace they would lie, so the first thing done is a test.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

NETLINK_CONNECTOR: Final = 11
CN_IDX_PROC: Final = 1
CN_VAL_PROC: Final = 1
LISTEN: Final = 1
RECEIVE_BUFFER: Final = 4 * 1024 * 1024
MESSAGE_BYTES: Final = 65536
SELF_TEST_S: Final = 1.0

FORK: Final = 0x1
EXEC: Final = 0x2
EXIT: Final = 0x80000000

# nlmsghdr(16) cn_msg(20) then: what, cpu, monotonic nanoseconds, four fields that depend on `what`
_HEADER = struct.Struct("=IHHII")
_CONNECTOR = struct.Struct("=IIIIHH")
_EVENT = struct.Struct("=IIQ")
_OFFSET = _HEADER.size + _CONNECTOR.size
_DATA = struct.Struct("=IIII")


@dataclass(frozen=True, slots=True)
class ProcEvent:
    what: int
    pid: int
    at: float
    parent: int = 0
    exit_status: int = 0


class ProcEvents:
    """A subscription to process events."""

    def __init__(self) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        self.socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_CONNECTOR)
        try:
            self._set_buffer()
            self.socket.bind((0, CN_IDX_PROC))
            self._subscribe()
        except OSError:
            self.socket.close()
            raise
        self._sequences: dict[int, int] = {}
        self.missed = 0
        self._skew = time.time() - time.monotonic()

    def read(self) -> list[ProcEvent]:
        """What is waiting; grows `missed` by what the kernel could not hand over."""
        self._skew = time.time() - time.monotonic()
        events: list[ProcEvent] = []
        while len(events) < 256:
            try:
                data, sender = self.socket.recvfrom(MESSAGE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # the sequence numbers below say how many were lost
            if sender[0] == 0:  # the kernel; anyone may write to a netlink socket
                self._parse(data, events)
        return events

    def self_test(self) -> bool:
        """True when a child started here shows up under the number we know it by."""
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(child, 0)
        deadline = time.monotonic() + SELF_TEST_S
        self.socket.settimeout(SELF_TEST_S)
        seen: list[ProcEvent] = []
        while time.monotonic() < deadline:
            try:
                self._parse(self.socket.recv(MESSAGE_BYTES), seen)
            except OSError:
                break
            if any(event.pid == child for event in seen):
                self.socket.settimeout(None)
                return True
        return False

    def close(self) -> None:
        self.socket.close()

    def _set_buffer(self) -> None:
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, 33, RECEIVE_BUFFER)  # SO_RCVBUFFORCE
        except OSError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def _subscribe(self) -> None:
        operation = struct.pack("=I", LISTEN)
        connector = _CONNECTOR.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, len(operation), 0)
        size = _HEADER.size + len(connector) + len(operation)
        self.socket.send(_HEADER.pack(size, 3, 0, 0, os.getpid()) + connector + operation)

    def _parse(self, data: bytes, events: list[ProcEvent]) -> None:
        if len(data) < _OFFSET + _EVENT.size + _DATA.size:
            return
        sequence = _CONNECTOR.unpack_from(data, _HEADER.size)[2]
        what, cpu, nanoseconds = _EVENT.unpack_from(data, _OFFSET)
        self._count(cpu, sequence)
        first, second, third, fourth = _DATA.unpack_from(data, _OFFSET + _EVENT.size)
        at = nanoseconds / 1e9 + self._skew
        # A thread has a pid of its own; a process is where pid and thread group are one
        if what == FORK and third == fourth:
            events.append(ProcEvent(FORK, third, at, parent=second))
        elif what == EXEC:
            events.append(ProcEvent(EXEC, second, at))
        elif what == EXIT and first == second:
            events.append(ProcEvent(EXIT, first, at, exit_status=third))

    def _count(self, cpu: int, sequence: int) -> None:
        expected = self._sequences.get(cpu, sequence)
        self.missed += (sequence - expected) & 0xFFFFFFFF
        self._sequences[cpu] = (sequence + 1) & 0xFFFFFFFF
