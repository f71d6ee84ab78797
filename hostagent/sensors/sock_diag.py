"""TCP sockets of this process's own network namespace, asked of the kernel by netlink.

The kernel walks the same table for /proc/net/tcp, but much more slowly: on a large host that table has
hundreds of thousands of buckets, and writing text is not what costs.
"""

from __future__ import annotations

import socket
import struct

from hostagent.sensors.net_tables import Socket

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
DONE, ERROR = 3, 2
STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 10: "LISTEN"}
WANTED = sum(1 << state for state in STATES)
TIMEOUT_S = 2.0

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI48x")
_REPLY = struct.Struct("=BBBB2s2s16s16s12xIIIII")
_PORT = struct.Struct(">H")


def read_own_sockets() -> dict[int, Socket] | None:
    """The sockets by inode; None where the kernel does not answer such questions."""
    found: dict[int, Socket] = {}
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG
        ) as asked:
            asked.settimeout(TIMEOUT_S)
            for family in (socket.AF_INET, socket.AF_INET6):
                request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, WANTED)
                head = _HEADER.pack(_HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, family, 0)
                asked.send(head + request)
                while read_part(asked.recv(1 << 17), found):
                    pass
    except (OSError, AttributeError):
        return None
    return found


def read_part(data: bytes, found: dict[int, Socket]) -> bool:
    """One datagram of the answer; False when it was the last."""
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if kind == DONE:
            return False
        if kind == ERROR or size < _HEADER.size:
            raise OSError("the kernel refused a socket dump")
        take(data, at + _HEADER.size, found)
        at += (size + 3) & ~3
    return True


def take(data: bytes, at: int, found: dict[int, Socket]) -> None:
    family, state, _, _, sport, dport, source, target, _, _, _, _, inode = _REPLY.unpack_from(data, at)
    if inode and state in STATES:
        name = STATES[state]
        remote = None if name == "LISTEN" else written(family, target, dport)
        label = "ipv4" if family == socket.AF_INET else "ipv6"
        found[inode] = Socket(inode, label, name, written(family, source, sport), remote)


def written(family: int, host: bytes, port: bytes) -> str:
    number = _PORT.unpack(port)[0]
    if family == socket.AF_INET:
        return f"{socket.inet_ntop(socket.AF_INET, host[:4])}:{number}"
    if host.startswith(b"\0" * 10 + b"\xff\xff"):
        return f"{socket.inet_ntop(socket.AF_INET, host[12:])}:{number}"
    return f"[{socket.inet_ntop(socket.AF_INET6, host)}]:{number}"
