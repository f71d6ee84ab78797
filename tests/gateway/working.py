"""Batches put into the inbox as the door would, and worked off at once."""

import time
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from apps.gateway import ingest
from apps.telemetry.models import Batch
from tests.gateway.machine import Machine

NOW = 1_795_000_000.0
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def at(seconds: float = 0.0) -> datetime:
    """The moment `seconds` after the start of the story."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def put(machine: Machine, *records: dict[str, Any] | bytes) -> Batch:
    """One batch in the inbox."""
    raw = [record for record in records if isinstance(record, bytes)]
    body = machine.encode(b"[" + b",".join(raw) + b"]") if raw else machine.body(list(records))
    return Batch.objects.create(
        agent=machine.agent,
        sequence=machine.next(),
        body=body,
        encoding=machine.encoding,
        digest="",
        signature="",
        received_at=timezone.now(),
        records=len(records),
    )


def told(machine: Machine, *records: dict[str, Any] | bytes) -> Batch:
    """One batch, worked off."""
    batch = put(machine, *records)
    ingest.work_off()
    batch.refresh_from_db()
    assert batch.state == "done", batch.error
    return batch


def run_start(name: str = "rome", **changed: Any) -> dict[str, Any]:
    return {
        "kind": "run.start",
        "at": NOW,
        "run": name,
        "marker": f"{name}-1",
        "cgroup": f"/sentinel/{name}",
        "root_pid": 100,
        "root_start_ticks": 1_000,
        "framework": "roll",
        "drill": False,
    } | changed


def process(pid: int = 200, argv: Any = ("sleep", "9"), **changed: Any) -> dict[str, Any]:
    return {
        "kind": "process.start",
        "at": NOW + 1,
        "pid": pid,
        "ppid": 1,
        "start_ticks": pid * 10,
        "argv": list(argv),
        "exe": f"/usr/bin/{argv[0]}" if argv else "",
        "cwd": "/",
        "uid": 0,
        "cgroup": "/user",
        "netns": 4_026_531_840,
        "marker": None,
        "traceparent": None,
        "env_names": [],
        "truncated": False,
    } | changed


def socket(pid: int = 200, remote: str | None = "198.51.100.7:22", **changed: Any) -> dict[str, Any]:
    return {
        "kind": "socket.open",
        "at": NOW + 2,
        "pid": pid,
        "start_ticks": pid * 10,
        "netns": 4_026_531_840,
        "family": "inet",
        "proto": "tcp",
        "state": "ESTABLISHED",
        "local": "10.0.0.5:40000",
        "remote": remote,
    } | changed


def span(
    command: str | None = None,
    *,
    run: str = "rome",
    start: float = 0.5,
    end: float | None = None,
    **changed: Any,
) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "shell",
        "gen_ai.tool.call.id": "call-1",
        "sentinel.episode": "episode-7",
        "sentinel.global_step": 3,
    }
    if command is not None:
        attributes["gen_ai.tool.call.arguments"] = f'{{"command": "{command}"}}'
    inner = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "execute_tool shell",
        "startTimeUnixNano": str(int((NOW + start) * 1e9)),
        "attributes": [otlp(key, value) for key, value in attributes.items()],
    } | changed
    if end is not None:
        inner["endTimeUnixNano"] = str(int((NOW + end) * 1e9))
    return {
        "kind": "span",
        "at": NOW + (end or start),
        "run": run,
        "started_only": end is None,
        "span": inner,
    }


def otlp(key: str, value: str | int) -> dict[str, Any]:
    typed = {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}
    return {"key": key, "value": typed}


def alert(rule: str = "firewall", **changed: Any) -> dict[str, Any]:
    return {
        "kind": "alert",
        "at": NOW + 3,
        "rule": rule,
        "title": "Outbound connection blocked",
        "level": "high",
        "technique": "T1571",
        "family": "egress",
        "run": None,
        "pid": None,
        "start_ticks": None,
        "detail": {"destination": "198.51.100.7"},
    } | changed


TUNNEL = ("ssh", "-N", "-R", "9001:127.0.0.1:8000", "eve@198.51.100.7")


def now() -> float:
    """The real time, where a story has to be near it."""
    return time.time()
