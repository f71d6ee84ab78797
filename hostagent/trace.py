"""For training code: tell Sentinel about episodes, steps and tool calls, and let a process name its own call.

    from hostagent.trace import environ, tool

    @tool
    def bash(command: str) -> str:
        return subprocess.run(["bash", "-c", command], env=environ(), capture_output=True, text=True).stdout

Or around a call, where there is no function of its own:

    trace = RunTrace.from_environ()
    with trace.episode("traj-7", global_step=3), trace.tool_call("bash", {"command": text}) as call:
        subprocess.run(["bash", "-c", text], env=call.environ)

One file, standard library only, so that a training job can carry it alone. Where no run was launched by the
host agent, everything here does nothing. Nothing here fails or holds up the training: what cannot be written
is said once in the log of this module and left out.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

# As in hostagent/protocol.py, which a training job does not have.
ENV_RUN, ENV_TRACE_FILE, ENV_TRACEPARENT = "SENTINEL_RUN", "SENTINEL_TRACE_FILE", "TRACEPARENT"

log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ToolCall:
    """One call of one tool: its ids, and the environment that makes its processes name it."""

    trace_id: str
    span_id: str
    call_id: str
    environ: dict[str, str]


@dataclass(frozen=True)
class Episode:
    """What the calls within an episode have in common."""

    native_id: str
    global_step: int | None
    trace_id: str
    span_id: str


_call: ContextVar[ToolCall | None] = ContextVar("sentinel_call", default=None)
_episode: ContextVar[Episode | None] = ContextVar("sentinel_episode", default=None)


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
    def episode(self, native_id: int | str, *, global_step: int | None = None) -> Iterator[Episode]:
        """The tool calls within are of this episode and step, in one trace."""
        made = Episode(str(native_id), global_step, secrets.token_hex(16), secrets.token_hex(8))
        span = _span("trajectory", made.trace_id, made.span_id, [*self._place(made, None, None)])
        before = _episode.set(made)
        try:
            with self._told(span):
                yield made
        finally:
            _reset(_episode, before)

    @contextlib.contextmanager
    def tool_call(
        self,
        tool: str,
        arguments: object,
        *,
        episode: int | str | None = None,
        global_step: int | None = None,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
        call_id: str | None = None,
    ) -> Iterator[ToolCall]:
        """A span told twice: when the call starts, so that it is known while it runs, and at its end."""
        of = _episode.get()
        call = self.open_call(trace_id or (of.trace_id if of else None), call_id)
        said = [
            text("gen_ai.operation.name", "execute_tool"),
            text("gen_ai.tool.name", tool),
            text("gen_ai.tool.call.id", call.call_id),
            text("gen_ai.tool.call.arguments", written(arguments)),
            *self._place(of, episode, global_step),
        ]
        span = _span(f"execute_tool {tool}", call.trace_id, call.span_id, said)
        if parent := parent_span_id or (of.span_id if of and call.trace_id == of.trace_id else None):
            span["parentSpanId"] = parent
        before = _call.set(call)
        try:
            with self._told(span):
                yield call
        finally:
            _reset(_call, before)

    def open_call(self, trace_id: str | None = None, call_id: str | None = None) -> ToolCall:
        trace_id, span_id = trace_id or secrets.token_hex(16), secrets.token_hex(8)
        named = {**os.environ, ENV_TRACEPARENT: f"00-{trace_id}-{span_id}-01"}
        if self.run:
            named[ENV_RUN] = self.run
        return ToolCall(trace_id, span_id, str(call_id or f"call_{secrets.token_hex(6)}"), named)

    def _place(
        self, of: Episode | None, episode: int | str | None, global_step: int | None
    ) -> Iterator[dict[str, Any]]:
        yield text("sentinel.run", self.run)
        native_id = str(episode) if episode is not None else of.native_id if of else None
        if native_id is not None:
            yield text("sentinel.episode", native_id)
        step = global_step if global_step is not None else of.global_step if of else None
        if step is not None:
            yield {"key": "sentinel.global_step", "value": {"intValue": str(step)}}

    @contextlib.contextmanager
    def _told(self, span: dict[str, Any]) -> Iterator[None]:
        self._write(span)
        failed = True
        try:
            yield
            failed = False
        finally:
            status = {"code": 2} if failed else {"code": 1}
            self._write({**span, "endTimeUnixNano": str(time.time_ns()), "status": status})

    def _write(self, value: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            append(self._path, json.dumps(value, separators=(",", ":")).encode() + b"\n")
        except Exception as error:
            if not self._silent:
                log.warning("the trace file %s cannot be written: %r", self._path, error)
            self._silent = True


@functools.lru_cache(maxsize=1)
def run_trace() -> RunTrace:
    """The trace of the run that this process is part of."""
    return RunTrace.from_environ()


def environ() -> dict[str, str]:
    """The environment for a process of the call that is open here; of none, this process's own."""
    call = _call.get()
    return dict(call.environ) if call else dict(os.environ)


def tool(function: Function | None = None, *, name: str = "") -> Any:
    """Every call of the decorated function, plain or async, is a tool call."""
    if function is None:
        return functools.partial(tool, name=name)
    named = name or getattr(function, "__name__", "tool")
    made = _async_tool(function, named) if inspect.iscoroutinefunction(function) else _tool(function, named)
    return cast(Function, made)


def _tool(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def told(*args: Any, **kwargs: Any) -> Any:
        with run_trace().tool_call(name, called_with(function, args, kwargs)):
            return function(*args, **kwargs)

    return told


def _async_tool(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    async def told(*args: Any, **kwargs: Any) -> Any:
        with run_trace().tool_call(name, called_with(function, args, kwargs)):
            return await function(*args, **kwargs)

    return told


def called_with(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments by name, without the object whose method it is."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
        return {name: value for name, value in bound.items() if name not in ("self", "cls")}
    except (TypeError, ValueError):  # the call itself will say what is wrong with it
        return {"args": list(args), **kwargs}


def _span(name: str, trace_id: str, span_id: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(time.time_ns()),
        "attributes": attributes,
    }


def _reset(variable: ContextVar[Any], token: Any) -> None:
    with contextlib.suppress(ValueError):  # a generator that is closed from another context
        variable.reset(token)


def append(path: Path, line: bytes) -> None:
    """One write, so that lines of several processes stay whole; a pipe that nobody reads holds nobody up."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    handle = os.open(path, flags, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def written(arguments: object) -> str:
    """The arguments as JSON (a text as it is); what JSON has no form for stands as Python writes it."""
    try:
        if isinstance(arguments, str):
            return arguments
        return json.dumps(arguments, default=repr)
    except Exception:  # keys of odd types, values that hold themselves, a repr that fails
        return json.dumps(f"arguments of {type(arguments).__name__} that cannot be written")


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
