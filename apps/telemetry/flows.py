"""Flows as a sensor on the wire saw them: two ends and a time, and no process. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from apps.core.addresses import plain_address

SLACK_S = 5.0  # between the sensor's clock and the server's, where nobody has measured it
LARGEST_PORT = 65_535


class Flow(NamedTuple):
    """One flow, its ends written as telemetry writes them; either may be the host's."""

    host_id: int | None  # None: which host it was is not known
    proto: str  # empty: not told
    source: str
    target: str
    at: datetime  # the sensor's clock
    slack_s: float = SLACK_S


class FlowOwner(NamedTuple):
    """The connection that a flow was, and whose."""

    connection_id: int
    host_id: int
    process_id: int
    run_id: int | None
    exact: bool  # both ends agree; else one only, and nothing else was connected to it (NAT)


def read_flow(told: Any, *, host_id: int | None, at: datetime, slack_s: float = SLACK_S) -> Flow | None:
    """The flow in `told` (`proto`, `src`, `src_port`, `dst`, `dst_port`); None where an end is none."""
    if not isinstance(told, Mapping):
        return None
    source = endpoint(told.get("src"), told.get("src_port"))
    target = endpoint(told.get("dst"), told.get("dst_port"))
    if not source or not target:
        return None
    return Flow(host_id, str(told.get("proto", "")).lower()[:8], source, target, at, slack_s)


def endpoint(address: Any, port: Any) -> str:
    """`198.51.100.7:22` or `[2001:db8::7]:22`; empty where it is no address with a port."""
    written = plain_address(address)
    if not written or isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= LARGEST_PORT:
        return ""
    return f"[{written}]:{port}" if ":" in written else f"{written}:{port}"
