"""For training code: tell Sentinel about steps and tool calls, and let a process name its own tool call.

    trace = RunTrace.from_environ()
    with trace.tool_call("bash", {"command": text}, episode=7, global_step=3) as call:
        subprocess.run(["bash", "-c", text], env=call.environ)

Standard library only; where no run was launched by the host agent, everything here does nothing. Nothing
here fails or holds up the training: what cannot be written is said once in the log `hostagent.trace` and
left out.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostagent.protocol import ENV_RUN, ENV_TRACE_FILE, ENV_TRACEPARENT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ToolCall:
    """One call of one tool: its ids, and the environment that makes its processes name it."""

    trace_id: str
    span_id: str
    call_id: str
    environ: dict[str, str]


class RunTrace:
    """Appends lines to the run's trace file; whole lines, so that several processes may share it."""

    def __init__(self, path: Path | None, run: str) -> None:
        self._path = path
        self._silent = False
        self.run = run

    @classmethod
    def from_environ(cls) -> RunTrace:
        path = os.environ.get(ENV_TRACE_FILE)
        return cls(Path(path) if path else None, os.environ.get(ENV_RUN, ""))

    def step(self, global_step: int) -> None:
        """The run has reached this step."""
        self._write({"kind": "run.step", "global_step": global_step})

    @contextlib.contextmanager
    def tool_call(
        self,
        tool: str,
        arguments: dict[str, Any],
        *,
        episode: int | str,
        global_step: int,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
    ) -> Iterator[ToolCall]:
        """A span told twice: when the call starts, so that it is known while it runs, and at its end."""
        call = self.open_call(trace_id)
        span = self._span(tool, arguments, call, episode, global_step)
        if parent_span_id:
            span["parentSpanId"] = parent_span_id
        self._write(span)
        failed = True
        try:
            yield call
            failed = False
        finally:
            status = {"code": 2} if failed else {"code": 1}
            self._write({**span, "endTimeUnixNano": str(time.time_ns()), "status": status})

    def open_call(self, trace_id: str | None = None) -> ToolCall:
        trace_id, span_id = trace_id or secrets.token_hex(16), secrets.token_hex(8)
        environ = {**os.environ, ENV_TRACEPARENT: f"00-{trace_id}-{span_id}-01"}
        return ToolCall(trace_id, span_id, f"call_{secrets.token_hex(6)}", environ)

    def _span(
        self, tool: str, arguments: dict[str, Any], call: ToolCall, episode: int | str, global_step: int
    ) -> dict[str, Any]:
        return {
            "traceId": call.trace_id,
            "spanId": call.span_id,
            "name": f"execute_tool {tool}",
            "kind": 1,
            "startTimeUnixNano": str(time.time_ns()),
            "attributes": [
                text("gen_ai.operation.name", "execute_tool"),
                text("gen_ai.tool.name", tool),
                text("gen_ai.tool.call.id", call.call_id),
                text("gen_ai.tool.call.arguments", written(arguments)),
                text("sentinel.run", self.run),
                text("sentinel.episode", str(episode)),
                {"key": "sentinel.global_step", "value": {"intValue": str(global_step)}},
            ],
        }

    def _write(self, value: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            append(self._path, json.dumps(value, separators=(",", ":")).encode() + b"\n")
        except Exception as error:
            if not self._silent:
                log.warning("the trace file %s cannot be written: %r", self._path, error)
            self._silent = True


def append(path: Path, line: bytes) -> None:
    """One write, so that lines of several processes stay whole; a pipe that nobody reads holds nobody up."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    handle = os.open(path, flags, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def written(arguments: object) -> str:
    """The arguments as JSON; what JSON has no form for stands as Python writes it."""
    try:
        return json.dumps(arguments, default=repr)
    except Exception:  # keys of odd types, values that hold themselves, a repr that fails
        return json.dumps(f"arguments of {type(arguments).__name__} that cannot be written")


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
