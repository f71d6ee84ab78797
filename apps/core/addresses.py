"""Network addresses that a host or a sensor could have written, as the kernel writes them."""

import ipaddress
from typing import Any


def plain_address(address: Any) -> str:
    """The address as the kernel writes it, an IPv4 one inside IPv6 as IPv4; empty where it is none."""
    read = _read(address)
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return str(mapped or read or "")


def is_inside(address: str) -> bool:
    """Whether it is one of a private network, and so more likely a host's own than a peer's."""
    read = _read(address)
    return read is not None and read.is_private


def _read(address: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not isinstance(address, str) or len(address) > 64:
        return None
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
