"""Lines that are no OTLP: a framework's records of whole trajectories and of a model's answers, as spans.

What they leave out is not made up. Ids follow from the content, so a line read twice is one span. A record
that was written when all was over says so (`sentinel.told_after`): its calls were somewhere between the
times given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

MOST_CALLS = 500  # of one trajectory
MOST_CHOICES = 16
LONGEST_S = 7 * 86_400.0
ROLL_TIME = "%Y%m%d_%H%M%S_%f"
TOLD_AFTER = {"key": "sentinel.told_after", "value": {"boolValue": True}}
# Of ROLL's env_info; episode_id counts within a group, so it is no name for an episode of the run
NATIVE = ("env_id", "group_id", "seed", "task_id", "task_name", "sandbox_id", "sandbox_ip")


def spans_of(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The spans that a record stands for; none where it is of no kind that is known."""
    found = inner(value.get("trajectory_data")) or value
    if "trajectory_id" in found and isinstance(found.get("messages"), list):
        return trajectory(found)
    if "response" in value and "request" in value and number(value.get("start_time")):
        return answer(value)
    if "name" in value and isinstance(value.get("context"), dict):
        return sdk_span(value)
    return without_ids(value)


def trajectory(value: dict[str, Any]) -> list[dict[str, Any]]:
    """ROLL's trajectory_data: written at the end, in the host's own time, without one time of a call."""
    name = str(value["trajectory_id"])[:200]
    end = moment(value.get("timestamp"), ROLL_TIME)
    if end is None:
        return []
    timing = value.get("timing_info")
    took = number(timing.get("traj_time_env_total")) if isinstance(timing, dict) else 0.0
    start = end - took if 0 < took < LONGEST_S else end
    info = value.get("env_info")
    native = [text(key, info[key]) for key in NATIVE if key in info] if isinstance(info, dict) else []
    common = [text("traj_id", name), *native, TOLD_AFTER]
    trace = made_id(32, name, value.get("timestamp"))
    own = made_id(16, trace, "trajectory")
    spans = [span(trace, own, "", "trajectory", start, end, common)]
    for place, (tool, call_id, arguments) in enumerate(calls_of(value["messages"])):
        said = [
            text("gen_ai.operation.name", "execute_tool"),
            text("gen_ai.tool.name", tool),
            text("gen_ai.tool.call.id", call_id),
            text("gen_ai.tool.call.arguments", arguments),
        ]
        call = made_id(16, trace, str(place))
        spans.append(span(trace, call, own, f"execute_tool {tool}", start, end, [*said, *common]))
    return spans


def calls_of(messages: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Tool, id and arguments of every call in the messages, up to a number."""
    left = MOST_CALLS
    for message in messages:
        for call in objects(message.get("tool_calls")) if isinstance(message, dict) else []:
            function = call.get("function")
            function = function if isinstance(function, dict) else call
            if isinstance(function.get("name"), str) and left > 0:
                left -= 1
                yield function["name"][:200], str(call.get("id") or ""), as_text(function.get("arguments"))


def answer(value: dict[str, Any]) -> list[dict[str, Any]]:
    """A line of ROCK's LLMTraj.jsonl: one answer of the model, with what it asks for."""
    response = inner(value["response"]) or {}
    choices = objects(response.get("choices"))[:MOST_CHOICES]
    start, end = number(value.get("start_time")), number(value.get("end_time"))
    digest = json.dumps([start, end, value["request"], value["response"]], sort_keys=True, default=str)
    trace = made_id(32, digest)
    said = [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", value.get("model") or "")]
    chat = span(trace, made_id(16, trace), "", "chat", start, end or start, said)
    chat["events"] = [
        {"name": "gen_ai.choice", "attributes": [text("gen_ai.event.content", as_text(choice))]}
        for choice in choices
    ]
    return [chat]


def sdk_span(value: dict[str, Any]) -> list[dict[str, Any]]:
    """A span as the OpenTelemetry SDK for Python writes one as JSON."""
    context, times = value["context"], [moment(value.get(key), "") for key in ("start_time", "end_time")]
    start = times[0] if times[0] is not None else times[1]
    if start is None:
        return []
    known = value.get("attributes")
    pairs = [text(key, item) for key, item in known.items()] if isinstance(known, dict) else []
    pairs += [] if times[0] is not None else [TOLD_AFTER]
    ids = [bare(context.get("trace_id")), bare(context.get("span_id")), bare(value.get("parent_id"))]
    made = span(ids[0], ids[1], ids[2], str(value["name"]), start, times[1], pairs)
    status = value.get("status")
    if isinstance(status, dict) and status.get("status_code") == "ERROR":
        made["status"] = {"code": 2}
    return [made]


def without_ids(value: dict[str, Any]) -> list[dict[str, Any]]:
    """A span of OTLP that lacks an id or its start."""
    start, end = value.get("startTimeUnixNano"), value.get("endTimeUnixNano")
    if not isinstance(value.get("name"), str) or not (start or end) or "context" in value:
        return []
    digest = json.dumps(value, sort_keys=True, default=str)
    trace = value.get("traceId") or made_id(32, digest)
    made = {**value, "traceId": trace, "spanId": value.get("spanId") or made_id(16, digest, "span")}
    if not start:
        pairs = value.get("attributes")
        made["startTimeUnixNano"] = end
        made["attributes"] = [*(pairs if isinstance(pairs, list) else []), TOLD_AFTER]
    return [made]


def span(
    trace: str, own: str, parent: str, name: str, start: float, end: float | None, said: list[dict[str, Any]]
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "traceId": trace,
        "spanId": own,
        "name": name[:300],
        "startTimeUnixNano": str(int(start * 1e9)),
        "attributes": said,
    }
    if parent:
        made["parentSpanId"] = parent
    if end is not None:
        made["endTimeUnixNano"] = str(int(end * 1e9))
    return made


def made_id(length: int, *parts: object) -> str:
    return hashlib.sha256("\x00".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:length]


def moment(value: object, form: str) -> float | None:
    """Seconds since 1970; a time without a zone is the host's own."""
    if not isinstance(value, str):
        return None
    try:
        told = value[:40].replace("Z", "+00:00")
        when = datetime.strptime(told, form) if form else datetime.fromisoformat(told)  # noqa: DTZ007
        return when.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def number(value: object) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 4_102_444_800
    return float(value) if good else 0.0  # type: ignore[arg-type]


def inner(value: object) -> dict[str, Any] | None:
    """An object, or one that stands in a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def bare(value: object) -> str:
    return value.removeprefix("0x") if isinstance(value, str) else ""


def text(key: str, value: object) -> dict[str, Any]:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"key": key, "value": {"intValue": str(value)}}
    return {"key": key, "value": {"stringValue": as_text(value)}}


def as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return ""
