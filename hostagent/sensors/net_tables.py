"""The kernel's tables of TCP sockets for one network namespace, parsed."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import NamedTuple

from hostagent import procfs

# The states worth a record; the others are on their way out and have no owner any more
STATES = {b"01": "ESTABLISHED", b"02": "SYN_SENT", b"0A": "LISTEN"}
MAX_TABLE_BYTES = 16 * 1024 * 1024


class Socket(NamedTuple):
    inode: int
    family: str
    state: str
    local: str
    remote: str | None


def read_sockets(pid: int) -> dict[int, Socket] | None:
    """The sockets of the namespace this process lives in, by inode; None when it is gone."""
    found: dict[int, Socket] = {}
    readable = False
    for name, family in (("tcp", "ipv4"), ("tcp6", "ipv6")):
        data = procfs.read(f"/proc/{pid}/net/{name}", MAX_TABLE_BYTES)
        if data is not None:
            readable = True
            parse_table(data, family, found)
    return found if readable else None


def parse_table(data: bytes, family: str, found: dict[int, Socket]) -> None:
    for line in data.split(b"\n")[1:]:
        fields = line.split(None, 10)
        if len(fields) < 10 or fields[3] not in STATES:
            continue
        inode = int(fields[9])
        if inode:
            state = STATES[fields[3]]
            remote = None if state == "LISTEN" else address(fields[2])
            found[inode] = Socket(inode, family, state, address(fields[1]), remote)


@lru_cache(maxsize=8192)
def address(field: bytes) -> str:
    """`0100007F:1F90` as `127.0.0.1:8080`; the kernel writes each 32-bit word in the host's byte order."""
    host, _, port = field.partition(b":")
    raw = bytes.fromhex(host.decode())
    packed = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{int(port, 16)}"
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return f"{socket.inet_ntop(socket.AF_INET, packed[12:])}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{int(port, 16)}"


def socket_inodes(pid: int) -> set[int]:
    """The sockets a process holds open."""
    found: set[int] = set()
    try:
        folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return found
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - relative to an open directory
            try:
                target = os.readlink(name, dir_fd=folder)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except OSError:
        return found
    finally:
        os.close(folder)
    return found
