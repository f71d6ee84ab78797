"""What this host is: its names, its boot, and what the agent can do here."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

from hostagent import cgroups


def hostname() -> str:
    return socket.gethostname()


def machine_id() -> str:
    """The installation's id, hashed for this product as machine-id(5) asks; empty where there is none."""
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text:
            return hashlib.sha256(b"sentinel-hostagent\n" + text.encode()).hexdigest()
    return ""


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def uptime_s() -> float:
    try:
        return float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0


def addresses() -> list[str]:
    """Addresses of this host's own interfaces, loopback and link-local ones left out; at most 64."""
    found = set(_own_ipv4(_text("/proc/net/fib_trie")))
    for line in _text("/proc/net/if_inet6").splitlines():
        found.add(str(IPv6Address(int(line.split()[0], 16))))
    kept = (one for one in map(ip_address, found) if not one.is_loopback and not one.is_link_local)
    return [str(one) for one in sorted(kept, key=lambda one: (one.version, int(one)))][:64]


def _own_ipv4(trie: str) -> Iterator[str]:
    """The kernel's routing table names an own address as a leaf `|-- 10.0.0.5` before `/32 host LOCAL`."""
    leaf = ""
    for line in trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            yield leaf


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def capabilities() -> dict[str, Any]:
    """What an order can count on here, said honestly before anyone needs it."""
    mount = cgroups.find_mount()
    writable = mount is not None and os.access(mount, os.W_OK)
    return {
        "actions": ["PAUSE", "RESUME", "KILL"],
        "kill": "cgroup.kill" if writable else "pidfd",
        "freeze": "cgroup.freeze" if writable else "SIGSTOP",
        "cgroup_mount": str(mount) if mount else None,
        "cgroup_writable": writable,
        "uid": os.geteuid(),
        "kernel": platform.release(),
        "os": platform.system(),
        "arch": platform.machine(),
        "gpu_devices": len(list(Path("/dev").glob("nvidia[0-9]*"))),
        "cpus": os.cpu_count() or 1,
    }
