"""OTLP-JSON spans, read as tool calls and episodes. GenAI conventions of several generations are known.

A span is written by the training code, so nothing in it is believed to be of the right type or size.
"""

import re
from dataclasses import dataclass
from typing import Any

from apps.core.jsontext import json_text
from apps.core.text import storable

_TRACE, _SPAN = re.compile(r"[0-9a-f]{32}\Z"), re.compile(r"[0-9a-f]{16}\Z")
LONGEST_ARGUMENTS = 64 * 1024
MOST_ATTRIBUTES = 256
DEEPEST = 8  # of lists and mappings inside a value
EARLIEST, LATEST = 0, 4_102_444_800  # 1970 to 2100
FAILED = (2, "STATUS_CODE_ERROR")

Attributes = dict[str, Any]

# The names that mean the same, newest convention first.
RUN = ("sentinel.run", "run_id", "wandb.run.id", "mlflow.run_id")
EPISODE = (
    "sentinel.episode",
    "episode_id",
    "traj_id",
    "trajectory_id",
    "rollout_id",
    "gen_ai.conversation.id",
    "session.id",
)
STEP = ("sentinel.global_step", "global_step", "step")
TOOL = ("gen_ai.tool.name", "tool.name", "mcp.tool.name", "traceloop.entity.name")
CALL = ("gen_ai.tool.call.id", "tool_call.id", "tool.id")
ARGUMENTS = (
    "gen_ai.tool.call.arguments",
    "tool.parameters",
    "input.value",
    "traceloop.entity.input",
    "gen_ai.tool.input",
)
ENTITY_KINDS = ("traceloop.span.kind", "openinference.span.kind")
NATIVE = (
    "env_id",
    "group_id",
    "episode_id",
    "traj_id",
    "sandbox_id",
    "gen_ai.conversation.id",
    "gen_ai.agent.id",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A span that says something of a tool call (`tool` is set) or of an episode."""

    trace_id: str
    span_id: str
    parent_span_id: str
    started_at: float
    ended_at: float | None
    failed: bool
    run: str
    episode: str
    global_step: int | None
    tool: str
    call_id: str
    arguments: str
    captured: bool
    native_ids: dict[str, str]


def read_span(span: dict[str, Any], *, run: str = "", resource: Any = None) -> Seen | None:
    """What `span` says, or None when it is of no kind that is looked at or cannot be read."""
    trace, own = _hex(span.get("traceId"), _TRACE), _hex(span.get("spanId"), _SPAN)
    started = _time(span.get("startTimeUnixNano"))
    if not trace or not own or started is None:
        return None
    outer = resource if resource is not None else span.get("resource")
    known = {**attributes(outer.get("attributes") if isinstance(outer, dict) else None)}
    known |= attributes(span.get("attributes"))
    tool = _tool(str(span.get("name", "")), known)
    episode = _first(known, EPISODE, 200)
    if not tool and not (episode and _is_episode(str(span.get("name", "")), known)):
        return None
    said = next((known[name] for name in ARGUMENTS if name in known), None) if tool else None
    status = span.get("status")
    return Seen(
        trace_id=trace,
        span_id=own,
        parent_span_id=_hex(span.get("parentSpanId"), _SPAN),
        started_at=started,
        ended_at=_time(span.get("endTimeUnixNano")) or None,
        failed=isinstance(status, dict) and status.get("code") in FAILED,
        run=run or _first(known, RUN, 120),
        episode=episode,
        global_step=_step(known),
        tool=tool,
        call_id=_first(known, CALL, 200),
        arguments=_text(said) if said is not None else "",
        captured=said is not None,
        native_ids={name: _first(known, (name,), 200) for name in NATIVE if name in known},
    )


def valid(span: dict[str, Any]) -> bool:
    """Whether `span` has the ids and the start without which no span can be stored."""
    ids = _hex(span.get("traceId"), _TRACE) and _hex(span.get("spanId"), _SPAN)
    return bool(ids) and _time(span.get("startTimeUnixNano")) is not None


def attributes(pairs: Any) -> Attributes:
    """OTLP's list of keys and typed values as a plain mapping; a plain mapping is taken as it is."""
    if isinstance(pairs, dict):
        return {str(key): value for key, value in list(pairs.items())[:MOST_ATTRIBUTES]}
    found: Attributes = {}
    for pair in _objects(pairs)[:MOST_ATTRIBUTES]:
        if isinstance(pair.get("key"), str):
            found[pair["key"]] = _value(pair.get("value"))
    return found


def _value(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, dict) or depth > DEEPEST:
        return value if isinstance(value, str | int | float | bool) else None
    for name in ("stringValue", "boolValue", "doubleValue"):
        if name in value:
            return value[name]
    if "intValue" in value:
        return _whole(value["intValue"])
    if isinstance(value.get("arrayValue"), dict):
        return [_value(inner, depth + 1) for inner in _objects(value["arrayValue"].get("values"))]
    if isinstance(value.get("kvlistValue"), dict):
        pairs = _objects(value["kvlistValue"].get("values"))
        return {str(pair.get("key")): _value(pair.get("value"), depth + 1) for pair in pairs}
    return None


def _tool(name: str, known: Attributes) -> str:
    """The name of the tool, when the span is a call of one."""
    operation = known.get("gen_ai.operation.name")
    kinds = {str(known.get(kind, "")).lower() for kind in ENTITY_KINDS}
    is_call = (
        operation == "execute_tool"
        or known.get("mcp.method.name") == "tools/call"
        or "tool" in kinds
        or (operation is None and "gen_ai.tool.name" in known)
        or name.startswith("execute_tool ")
    )
    if not is_call:
        return ""
    return _first(known, TOOL, 200) or storable(name.removeprefix("execute_tool "), limit=200) or "unnamed"


def _is_episode(name: str, known: Attributes) -> bool:
    operation = known.get("gen_ai.operation.name")
    return operation in ("invoke_agent", "invoke_workflow") or name in ("trajectory", "rollout", "episode")


def _first(known: Attributes, names: tuple[str, ...], limit: int) -> str:
    for name in names:
        value = known.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return storable(str(value), limit=limit)
    return ""


def _step(known: Attributes) -> int | None:
    step = next((known[name] for name in STEP if name in known), None)
    number = _whole(step)
    return number if number is not None and 0 <= number < 2**62 else None


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json_text(value, limit=LONGEST_ARGUMENTS)
    return storable(text, limit=LONGEST_ARGUMENTS)


def _hex(value: Any, form: re.Pattern[str]) -> str:
    text = value.lower() if isinstance(value, str) else ""
    return text if form.match(text) and text.strip("0") else ""


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)[:32]) > 20:
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _time(value: Any) -> float | None:
    nanos = _whole(value)
    seconds = nanos / 1e9 if nanos else None
    return seconds if seconds and EARLIEST < seconds < LATEST else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
