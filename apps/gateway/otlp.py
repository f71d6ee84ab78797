"""OTLP-JSON spans, read as tool calls and episodes. GenAI conventions of several generations are known.

A span is written by the training code, so nothing in it is believed to be of the right type or size.
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from apps.core.text import storable
from apps.gateway import otlp_asked
from apps.gateway.otlp_asked import Asked, objects, text_of

_TRACE, _SPAN = re.compile(r"[0-9a-f]{32}\Z"), re.compile(r"[0-9a-f]{16}\Z")
MOST_ATTRIBUTES = 256
MOST_EVENTS = 128
DEEPEST = 8  # of lists and mappings inside a value
EARLIEST, LATEST = 0, 4_102_444_800  # 1970 to 2100
_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")
FAILED = (2, "STATUS_CODE_ERROR")

Attributes = dict[str, Any]

# The names that mean the same, newest convention first.
RUN = ("sentinel.run", "run_id", "wandb.run.id", "mlflow.run_id")
EPISODE = (
    "sentinel.episode",
    "traj_id",
    "trajectory_id",
    "episode_id",
    "rollout_id",
    "gen_ai.conversation.id",
    "gen_ai.thread.id",
    "session.id",
    "traceloop.association.properties.session_id",
)
STEP = ("sentinel.global_step", "global_step", "step")
TOOL = (
    "gen_ai.tool.name",
    "tool.name",
    "tool_call.function.name",
    "mcp.tool.name",
    "traceloop.entity.name",
)
CALL = ("gen_ai.tool.call.id", "tool_call.id", "tool.id")
ARGUMENTS = (
    "gen_ai.tool.call.arguments",
    "tool_call.function.arguments",
    "tool.parameters",
    "input.value",
    "traceloop.entity.input",
    "gen_ai.tool.input",
    "tool_arguments",
    "mcp.request.arguments",
)
ARGUMENT = "mcp.request.argument."  # one attribute an argument
ENTITY_KINDS = ("traceloop.span.kind", "openinference.span.kind")
SANDBOX = ("sentinel.sandbox", "sandbox_id", "rock.sandbox_id", "container.id")
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
    """What a span says: of a tool call (`tool` is set), of tool calls that a model asked for (`asked`), of
    an episode (`whole`: it is the episode's own span), or only where it stands in its trace.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    started_at: float
    ended_at: float | None
    failed: bool
    run: str
    episode: str
    whole: bool
    global_step: int | None
    tool: str
    call_id: str
    arguments: str
    captured: bool
    native_ids: dict[str, str]
    sandbox: str = ""
    asked: tuple[Asked, ...] = ()
    told_after: bool = False  # out of a record that was written after the fact, with no times of its own


def read_span(span: dict[str, Any], *, run: str = "", resource: Any = None) -> Seen | None:
    """What `span` says, or None when it has no ids or no start."""
    trace, own = _hex(span.get("traceId"), _TRACE), _hex(span.get("spanId"), _SPAN)
    started = _time(span.get("startTimeUnixNano"))
    if not trace or not own or started is None:
        return None
    outer = resource if resource is not None else span.get("resource")
    around = attributes(outer.get("attributes") if isinstance(outer, dict) else None)
    known = around | attributes(span.get("attributes"))
    name = str(span.get("name", ""))
    tool, episode = _tool(name, known), _first(known, EPISODE, 200)
    said = _arguments(known) if tool else None
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
        whole=bool(not tool and episode and _is_episode(name, known)),
        global_step=_step(known),
        tool=tool,
        call_id=_first(known, CALL, 200),
        arguments=text_of(said) if said is not None else "",
        captured=said is not None,
        native_ids={name: _first(known, (name,), 200) for name in NATIVE if name in known},
        sandbox=_first(known, SANDBOX, 200),
        asked=() if tool else otlp_asked.asked(known, _events(span)),
        told_after=known.get("sentinel.told_after") is True,
    )


def named_by(traceparent: str) -> tuple[str, str] | None:
    """Trace and span id of a W3C traceparent, or None where it is none."""
    found = _PARENT.match(traceparent.strip().lower())
    ids = (_hex(found[1], _TRACE), _hex(found[2], _SPAN)) if found else ("", "")
    return ids if all(ids) else None


def bare(trace_id: str, span_id: str, *, started_at: float) -> Seen:
    """A tool call of which no more is known than that something names it."""
    return Seen(trace_id, span_id, "", started_at, None, False, "", "", False, None, "", "", "", False, {})


def attributes(pairs: Any) -> Attributes:
    """OTLP's list of keys and typed values as a plain mapping; a plain mapping is taken as it is."""
    if isinstance(pairs, dict):
        return pairs if len(pairs) <= MOST_ATTRIBUTES else dict(islice(pairs.items(), MOST_ATTRIBUTES))
    found: Attributes = {}
    for pair in objects(pairs)[:MOST_ATTRIBUTES]:
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
        return [_value(inner, depth + 1) for inner in objects(value["arrayValue"].get("values"))]
    if isinstance(value.get("kvlistValue"), dict):
        pairs = objects(value["kvlistValue"].get("values"))
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
        or (operation is None and name.startswith("execute_tool "))
    )
    if not is_call:
        return ""
    spoken = name.removeprefix("execute_tool ").removeprefix("tools/call ")
    return _first(known, TOOL, 200) or storable(spoken, limit=200) or "unnamed"


def _is_episode(name: str, known: Attributes) -> bool:
    operation = known.get("gen_ai.operation.name")
    kinds = {str(known.get(kind, "")).lower() for kind in ENTITY_KINDS}
    return (
        operation in ("invoke_agent", "invoke_workflow")
        or bool(kinds & {"agent", "workflow"})
        or name in ("trajectory", "rollout", "episode")
    )


def _arguments(known: Attributes) -> Any:
    """What the tool was called with, or None where it was not captured."""
    said = next((known[name] for name in ARGUMENTS if known.get(name) is not None), None)
    if said is not None:
        return said
    return {key.removeprefix(ARGUMENT): known[key] for key in known if key.startswith(ARGUMENT)} or None


def _events(span: dict[str, Any]) -> list[tuple[str, Attributes]]:
    events = objects(span.get("events"))[:MOST_EVENTS]
    return [(str(event.get("name", "")), attributes(event.get("attributes"))) for event in events]


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
