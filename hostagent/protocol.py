"""What host agent and server say to each other: names, limits, shapes and the bytes that are signed.

Standard library only, because both sides import it: the agent to speak, the server to listen.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final, Literal, NotRequired, TypedDict

VERSION: Final = 1

# Doors
PATH_ENROL: Final = "/agent/v1/enrol"
PATH_BATCHES: Final = "/agent/v1/batches"
PATH_BELL: Final = "/agent/v1/bell"
PATH_ORDERS: Final = "/agent/v1/orders"
PATH_RECEIPTS: Final = "/agent/v1/receipts"
PATH_PACKAGE: Final = "/agent/v1/package"
PATH_INSTALL: Final = "/agent/v1/install"

# Headers of every signed request. Batches carry a sequence, everything else a time and a nonce.
HEADER_AGENT: Final = "Sentinel-Agent"
HEADER_SEQUENCE: Final = "Sentinel-Sequence"
HEADER_TIME: Final = "Sentinel-Time"
HEADER_NONCE: Final = "Sentinel-Nonce"
HEADER_SIGNATURE: Final = "Sentinel-Signature"
NO_AGENT: Final = "-"  # stands in for the agent's id while it enrols

# Limits the server enforces and the agent stays below
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_INFLATED_BYTES: Final = 64 * 1024 * 1024
MAX_RECORDS: Final = 5_000
ENCODINGS: Final = ("identity", "gzip", "zstd")

# The first line of what is signed, so that a signature for one purpose is void for every other
CONTEXT_REQUEST: Final = b"sentinel-agent/v1\n"
CONTEXT_ORDER: Final = b"sentinel-order/v1\n"
CONTEXT_RECEIPT: Final = b"sentinel-receipt/v1\n"

# Environment of a run's processes
ENV_RUN: Final = "SENTINEL_RUN"
ENV_TRACEPARENT: Final = "TRACEPARENT"
ENV_TRACE_FILE: Final = "SENTINEL_TRACE_FILE"

# Record kinds
PROCESS_START: Final = "process.start"
PROCESS_END: Final = "process.end"
SOCKET_OPEN: Final = "socket.open"
SOCKET_CLOSE: Final = "socket.close"
GPU_PROCESS: Final = "gpu.process"
HEARTBEAT: Final = "heartbeat"
GAP: Final = "gap"
RUN_START: Final = "run.start"
RUN_END: Final = "run.end"
RUN_STEP: Final = "run.step"
SPAN: Final = "span"
ALERT: Final = "alert"
RECORD_KINDS: Final = frozenset(
    {PROCESS_START, PROCESS_END, SOCKET_OPEN, SOCKET_CLOSE, GPU_PROCESS, HEARTBEAT, GAP}
    | {RUN_START, RUN_END, RUN_STEP, SPAN, ALERT}
)

Action = Literal["PAUSE", "RESUME", "KILL", "DRILL"]
ACTIONS: Final[tuple[Action, ...]] = ("PAUSE", "RESUME", "KILL")  # what can be done to a run
DRILL: Final[Action] = "DRILL"  # asks the host to play one; touches no run

Stage = Literal[
    "DELIVERED",
    "FROZEN",
    "CAPTURED",
    "SIGNALLED",
    "WATCHING",
    "VERIFIED",
    "PAUSED",
    "RESUMED",
    "SURVIVED",
    "NOT_CONFIRMED",
    "REFUSED",
    "EXPIRED",
    "STARTED",
    "ENDED",
]
# The stages after which an order's story on this host is over
FINAL_STAGES: Final[frozenset[Stage]] = frozenset(
    {"VERIFIED", "PAUSED", "RESUMED", "SURVIVED", "NOT_CONFIRMED", "REFUSED", "EXPIRED", "ENDED"}
)

# One fact seen on the host: {"kind": ..., "at": unix seconds on the host's clock, ...}
Record = dict[str, Any]


class SensorState(TypedDict):
    """How a sensor works here, whether it does right now, and what it can miss."""

    mode: str
    ok: bool
    blind: str


class EnrolRequest(TypedDict):
    token: str
    public_key: str
    hostname: str
    machine_id: str
    boot_id: str
    version: str
    capabilities: dict[str, Any]
    sensors: dict[str, SensorState]


class EnrolReply(TypedDict):
    agent_id: str
    host_id: str
    host_name: str
    server_key: str
    server_time_ms: int


class OrderTargets(TypedDict):
    """Exactly what an order may touch; a pid counts only together with its start time."""

    cgroup: str | None
    root_pid: int | None
    root_start_ticks: int | None
    pids: list[list[int]]


class Play(TypedDict):
    """Which drill, and for how long."""

    name: str
    seconds: float


class OrderPayload(TypedDict):
    order_id: int  # below zero: a drill is asked for; drills are numbered apart from orders about runs
    number: str
    agent_id: str
    host_id: str
    run: str
    marker: str
    action: Action
    targets: OrderTargets
    respawn_watch_s: float
    nonce: str
    issued_ms: int
    expires_ms: int
    reason: str
    by: str
    drill: bool


class DrillPayload(OrderPayload):
    """An order with the action DRILL."""

    play: Play


class Signed(TypedDict):
    """Exact JSON text and the signature over it: nobody re-serialises what was signed."""

    payload: str
    signature: str


class OrdersReply(TypedDict):
    orders: list[Signed]


class Probe(TypedDict):
    ok: bool
    detail: str
    pids: NotRequired[list[int]]
    seconds: NotRequired[float]


class Survivor(TypedDict):
    pid: int
    start_ticks: int
    argv: list[str]
    state: str
    wchan: str


class ReceiptPayload(TypedDict):
    order_id: int
    nonce: str
    seq: int
    stage: Stage
    at_ms: int
    mono_ms: float
    took: dict[str, float]
    method: str | None
    probes: dict[str, Probe]
    processes_before: int | None
    processes_after: int | None
    survivors: list[Survivor]
    evidence: dict[str, Any] | None
    evidence_sha256: str | None
    detail: str


def b64url(data: bytes) -> str:
    """Base64url without padding: how keys and signatures travel."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """The bytes behind `b64url`; anything but its alphabet raises ValueError."""
    raw = text.encode("ascii")  # UnicodeEncodeError is a ValueError
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)


def freshness(time_ms: int, nonce: str) -> str:
    """What a request without a sequence signs in its place."""
    return f"{time_ms}.{nonce}"


def request_bytes(method: str, path: str, agent: str, fresh: str, body: bytes) -> bytes:
    """The bytes a host signs for one request; `fresh` is the sequence or `freshness(...)`."""
    digest = hashlib.sha256(body).hexdigest()
    return CONTEXT_REQUEST + "\n".join((method, path, agent, fresh, digest)).encode("utf-8")


def order_bytes(payload: str) -> bytes:
    """The bytes the server signs for one order."""
    return CONTEXT_ORDER + payload.encode("utf-8")


def receipt_bytes(payload: str) -> bytes:
    """The bytes a host signs for one receipt."""
    return CONTEXT_RECEIPT + payload.encode("utf-8")
