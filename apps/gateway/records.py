"""What host agents send, read into typed records. A record that makes no sense is kept as such."""

from threading import Thread
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct

Big = Annotated[int, Meta(ge=0, le=2**62)]
Pid = Annotated[int, Meta(ge=0, le=2**31)]
# From 1970 to 2100: what lies outside is no time a host was ever at.
At = Annotated[float, Meta(ge=0, le=4_102_444_800)]


class Head(Struct):
    """What every record has; the door looks at nothing else."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    at: At


class Record(Struct, tag_field="kind", gc=False):
    """One fact seen on a host."""

    at: At


class ProcessStart(Record, tag="process.start", gc=False):
    pid: Pid
    ppid: Pid | None = None
    start_ticks: Big | None = None
    argv: list[str] = []
    exe: str | None = None
    cwd: str | None = None
    uid: Big | None = None
    cgroup: str | None = None
    netns: Big | None = None
    marker: str | None = None
    traceparent: str | None = None
    env_names: list[str] = []
    truncated: bool = False


class ProcessEnd(Record, tag="process.end", gc=False):
    pid: Pid
    start_ticks: Big | None = None
    exit_code: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None


class SocketOpen(Record, tag="socket.open", gc=False):
    local: str
    remote: str | None = None
    pid: Pid | None = None
    start_ticks: Big | None = None
    netns: Big | None = None
    proto: str = "tcp"
    state: str = ""


class SocketClose(Record, tag="socket.close", gc=False):
    local: str
    remote: str | None = None
    pid: Pid | None = None
    start_ticks: Big | None = None


class GpuProcess(Record, tag="gpu.process", gc=False):
    gpu_uuid: str
    pid: Pid
    start_ticks: Big | None = None
    memory_bytes: Big | None = None
    sm_percent: float | None = None


class Heartbeat(Record, tag="heartbeat", gc=False):
    sensors: dict[str, Any] = {}
    spool: dict[str, Any] = {}
    clock: dict[str, float | None] = {}
    version: str = ""
    addresses: list[Any] = []


class Gap(Record, tag="gap", gc=False):
    dropped: Big = 0
    reason: str = ""
    from_at: float | None = None
    to_at: float | None = None
    from_sequence: Big | None = None
    to_sequence: Big | None = None
    kinds: dict[str, int] = {}


class RunStart(Record, tag="run.start", gc=False):
    run: Annotated[str, Meta(min_length=1)]
    root_pid: Pid
    root_start_ticks: Big
    marker: str | None = None
    cgroup: str | None = None
    framework: str | None = None
    lineage: str | None = None
    owner: str | None = None
    policy: str | None = None
    base_checkpoint: str | None = None
    parent_run: str | None = None
    drill: bool = False
    native_ids: dict[str, Any] = {}
    gpus: list[Any] = []
    contract: dict[str, Any] = {}


class RunStep(Record, tag="run.step", gc=False):
    run: str
    global_step: Big


class RunEnd(Record, tag="run.end", gc=False):
    run: str
    reason: str | None = None
    exit_code: int | None = None


class Span(Record, tag="span", gc=False):
    span: dict[str, Any]
    run: str | None = None
    started_only: bool = False


class HostAlert(Record, tag="alert", gc=False):
    rule: Annotated[str, Meta(min_length=1)]
    title: str = ""
    level: str = "medium"
    technique: str | None = None
    family: str | None = None
    run: str | None = None
    pid: Pid | None = None
    start_ticks: Big | None = None
    detail: dict[str, Any] = {}


class Unreadable(Struct):
    """A record of an unknown kind (a newer agent's), or one with a field that cannot be."""

    kind: str
    at: float
    raw: str
    problem: str


Known = (
    ProcessStart
    | ProcessEnd
    | SocketOpen
    | SocketClose
    | GpuProcess
    | Heartbeat
    | Gap
    | RunStart
    | RunStep
    | RunEnd
    | Span
    | HostAlert
)

_heads = msgspec.json.Decoder(list[Head])
_head = msgspec.json.Decoder(Head)
_all = msgspec.json.Decoder(list[Known])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_one = msgspec.json.Decoder(Known)
MOST_RAW = 4096


def count(content: bytes) -> int:
    """How many records `content` holds. Raises ValueError unless all have a kind and a time."""
    try:
        return len(_heads.decode(content))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read(content: bytes) -> list[Known | Unreadable]:
    """All records of `content`, in order."""
    try:
        return _all.decode(content)  # type: ignore[return-value]
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
        return _on_a_fresh_stack(content)


def _on_a_fresh_stack(content: bytes) -> list[Known | Unreadable]:
    """One by one, on a thread: how deep JSON may nest depends on how deep the caller stands, and the door,
    which let this pass, stood deeper than a new thread does.
    """
    found: list[Known | Unreadable] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            found.extend(map(_read_one, map(bytes, _raws.decode(content))))
        except BaseException as error:
            failure.append(error)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return found


def _read_one(raw: bytes) -> Known | Unreadable:
    try:
        return cast(Known, _one.decode(raw))
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        head = _head.decode(raw)
        return Unreadable(
            kind=head.kind,
            at=head.at,
            raw=raw[:MOST_RAW].decode("utf-8", "replace"),
            problem=str(error)[:200],
        )
