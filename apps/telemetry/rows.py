"""Facts on their way into the tables, as the gateway has read them."""

from datetime import datetime
from typing import NamedTuple


class ProcessRow(NamedTuple):
    """A started process. `argv` is JSON text. A start time that could not be read is a negative number."""

    host_id: int
    pid: int
    start_ticks: int
    ppid: int
    argv: str
    exe: str
    cwd: str
    uid: int | None
    cgroup: str
    netns: int | None
    marker: str
    traceparent: str
    run_id: int | None
    truncated: bool
    batch_id: int
    started_at: datetime
    received_at: datetime


class EndRow(NamedTuple):
    """An ended process."""

    host_id: int
    pid: int
    start_ticks: int | None
    ended_at: datetime
    exit_code: int | None


class SocketRow(NamedTuple):
    """A socket that was seen open."""

    host_id: int
    pid: int | None
    start_ticks: int | None
    netns: int | None
    proto: str
    state: str
    local: str
    remote: str
    batch_id: int
    position: int
    opened_at: datetime
    received_at: datetime


class CloseRow(NamedTuple):
    """A socket that is gone."""

    host_id: int
    pid: int | None
    local: str
    remote: str
    closed_at: datetime


class CallRow(NamedTuple):
    """A tool call, started or ended. `asked_key` stands for the place in an answer that asked for it."""

    trace_id: str
    span_id: str
    parent_span_id: str
    call_id: str
    name: str
    arguments: str
    arguments_captured: bool
    run_id: int | None
    episode_id: int | None
    host_id: int | None
    global_step: int | None
    started_at: datetime
    ended_at: datetime | None
    failed: bool
    received_at: datetime
    known_from: str = "span"
    said_run: str = ""
    asked_key: str = ""
    sandbox_id: int | None = None


class LinkRow(NamedTuple):
    """Where a span stands in its trace, and what it says of run, episode and step."""

    trace_id: str
    span_id: str
    parent_span_id: str
    run_id: int | None
    said_run: str
    episode: str
    global_step: int | None
    received_at: datetime


class GpuRow(NamedTuple):
    """Who held a GPU."""

    host_id: int
    run_id: int | None
    gpu_uuid: str
    pid: int
    start_ticks: int
    memory_bytes: int | None
    sm_percent: float | None
    occurred_at: datetime
    received_at: datetime


class EventRow(NamedTuple):
    """A fact without a table of its own. `data` is JSON text."""

    kind: str
    host_id: int
    run_id: int | None
    batch_id: int
    position: int
    occurred_at: datetime
    received_at: datetime
    data: str


ProcessKey = tuple[int, int, int]  # host, pid, start time
CallKey = tuple[str, str]  # trace, span
RecordKey = tuple[int, int]  # batch, position
