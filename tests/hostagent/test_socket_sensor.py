"""Sockets are told with their owner, in whichever network namespace they are, and only when they change."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hostagent import procfs
from hostagent.sensors import namespaces
from hostagent.sensors.net_tables import address, parse_table, read_sockets, socket_inodes
from hostagent.sensors.processes import ProcessSensor
from hostagent.sensors.sock_diag import read_own_sockets, read_part
from hostagent.sensors.sockets import SocketSensor
from hostagent.sensors.table import ProcessTable
from tests.hostagent.acting import until
from tests.hostagent.seeing import Seen, running

CONNECTED = """
import socket, sys, time
door = socket.create_server(("127.0.0.1", 0))
call = socket.create_connection(door.getsockname())
print(door.getsockname()[1], call.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def seen() -> Iterator[Seen]:
    seen = Seen()
    table = ProcessTable()
    sockets = SocketSensor(seen, table)  # type: ignore[arg-type]
    with running(sockets, ProcessSensor(seen, table)):  # type: ignore[arg-type]
        seen.wait("process.start", pid=os.getpid())
        until(lambda: sockets.state()["ok"])
        yield seen


def test_a_listener_and_a_connection_have_an_owner_and_an_end(seen: Seen) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CONNECTED],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SENTINEL_RUN": "r"},
    ) as process:
        assert process.stdout is not None
        door, call = process.stdout.readline().split()
        listening = seen.wait("socket.open", pid=process.pid, state="LISTEN")
        calling = seen.wait("socket.open", pid=process.pid, local=f"127.0.0.1:{call}")
        ticks = procfs.start_ticks(process.pid)
        process.kill()
    assert listening["local"] == f"127.0.0.1:{door}"
    assert listening["remote"] is None
    assert (calling["state"], calling["remote"]) == ("ESTABLISHED", f"127.0.0.1:{door}")
    assert calling["start_ticks"] == listening["start_ticks"] == ticks
    assert calling["netns"] == procfs.netns(os.getpid())
    seen.wait("socket.close", local=f"127.0.0.1:{call}")
    assert len(seen.of("socket.open", local=f"127.0.0.1:{call}")) == 1


def test_sockets_of_another_namespace_are_seen(seen: Seen) -> None:
    code = "import subprocess; subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)\n" + CONNECTED
    process = subprocess.Popen(
        ["unshare", "-n", sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.skip("no network namespace can be made here")
        found = seen.wait("socket.open", pid=process.pid, state="LISTEN")
        assert found["netns"] == procfs.netns(process.pid) != procfs.netns(os.getpid())
        assert found["local"] == f"127.0.0.1:{line.split()[0]}"
    finally:
        process.kill()
        process.wait()


def test_a_socket_owned_by_this_very_agent_is_not_told(seen: Seen) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mine,
        subprocess.Popen([sys.executable, "-c", CONNECTED], stdout=subprocess.PIPE, text=True) as other,
    ):
        seen.wait("socket.open", pid=other.pid, state="LISTEN")
        assert seen.of("socket.open", local=f"127.0.0.1:{mine.getsockname()[1]}") == []
        other.kill()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"0100007F:1F90", "127.0.0.1:8080"),
        (b"00000000000000000000000001000000:0016", "[::1]:22"),
        (b"0000000000000000FFFF00000100007F:0016", "127.0.0.1:22"),
        (b"B80D01200000000067452301EFCDAB89:01BB", "[2001:db8::123:4567:89ab:cdef]:443"),
    ],
)
def test_the_kernels_addresses_are_read(field: bytes, text: str) -> None:
    assert address(field) == text


def test_odd_lines_of_a_table_are_passed_over() -> None:
    found: dict[int, object] = {}
    parse_table(b"head\n\n  0: short\n 1: 0100007F:1F90 00000000:0000 06 0 0 0 0 0 0\n", "ipv4", found)  # type: ignore[arg-type]
    assert found == {}


def test_the_quick_way_and_the_text_of_proc_tell_the_same() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.create_connection(door.getsockname()) as call,
    ):
        mine = {os.fstat(one.fileno()).st_ino for one in (door, six, call)}
        assert mine <= socket_inodes(os.getpid())
        quick, text = read_own_sockets(), read_sockets(os.getpid())
    assert quick is not None
    assert text is not None
    quick, text = ({inode: one for inode, one in way.items() if inode in mine} for way in (quick, text))
    assert quick == text
    assert sorted(one.state for one in quick.values()) == ["ESTABLISHED", "LISTEN", "LISTEN"]


def test_where_the_kernel_does_not_answer_proc_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostagent.sensors.sock_diag.NETLINK_SOCK_DIAG", 31)  # a family nobody serves
    assert read_own_sockets() is None
    assert namespaces.mode() == "proc"
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
        found = namespaces.sockets_of(procfs.netns(os.getpid()) or 0, os.getpid())
    assert found is not None
    assert address in {one.local for one in found.values()}


def test_a_refused_dump_is_no_empty_picture() -> None:
    refusal = struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -1)
    with pytest.raises(OSError, match="refused"):
        read_part(refusal, {})
