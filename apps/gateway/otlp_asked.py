"""Tool calls that a model's answer asks for, read out of the span of that answer.

They are known from here before they run. Messages of several generations: GenAI's `output.messages`, its
earlier events, OpenLLMetry's and OpenInference's numbered attributes. What was said to the model is passed
over: it holds the calls of earlier answers.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.core.jsontext import json_text
from apps.core.text import storable

LONGEST_ARGUMENTS = 64 * 1024
MOST_ASKED = 64  # of one answer
DEEPEST = 8

CHATS = frozenset({"chat", "generate_content", "text_completion"})
ANSWERS = frozenset({"gen_ai.choice", "gen_ai.content.completion"})  # events
BODIES = ("gen_ai.event.content", "gen_ai.completion", "message", "tool_calls")
CALL_PARTS = frozenset({"tool_call", "tool_use", "function_call"})
WITHIN = ("message", "parts", "content", "tool_calls", "tool_call")
NUMBERED = re.compile(
    r"(?:gen_ai\.completion|llm\.completions|llm\.output_messages)\.(\d{1,4})\."
    r"(?:message\.)?(?:tool_calls\.(\d{1,4})|function_call)\."
    r"(?:tool_call\.)?(?:function\.)?(id|name|arguments)\Z"
)

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call as the model asked for it."""

    name: str
    call_id: str
    arguments: str
    captured: bool


def asked(known: Attributes, events: Iterable[tuple[str, Attributes]]) -> tuple[Asked, ...]:
    """The calls that this span's answer asks for; none where it is no span of a model's answer."""
    if not _is_chat(known):
        return ()
    found = [*_in_message(_parsed(known.get("gen_ai.output.messages")))]
    found = found or [*_in_events(events)] or [*_in_events(_spoken_events(known))] or [*_numbered(known)]
    return tuple(found[:MOST_ASKED])


def objects(value: Any) -> list[dict[str, Any]]:
    """The mappings in a list, whatever else is in it, and whatever else it is."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """Arguments as text: as they came, or as JSON."""
    text = value if isinstance(value, str) else json_text(value, limit=LONGEST_ARGUMENTS)
    return storable(text, limit=LONGEST_ARGUMENTS)


def _is_chat(known: Attributes) -> bool:
    operation = known.get("gen_ai.operation.name")
    kinds = (known.get("openinference.span.kind"), known.get("traceloop.span.kind"))
    return operation in CHATS or (
        operation is None and all(str(kind or "llm").lower() == "llm" for kind in kinds)
    )


def _in_events(events: Iterable[tuple[str, Attributes]]) -> Iterator[Asked]:
    for name, known in events:
        if name in ANSWERS:
            for body in BODIES:
                yield from _in_message(_parsed(known.get(body)))


def _spoken_events(known: Attributes) -> Iterator[tuple[str, Attributes]]:
    """Events that stand in an attribute, as some instrumentations wrote them."""
    for event in objects(_parsed(known.get("events"))):
        yield str(event.get("event.name", "")), event


def _in_message(value: Any, depth: int = 0) -> Iterator[Asked]:
    """Every call within a message, a list of messages or of parts, in the shape of any of the vendors."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for item in value[: 4 * MOST_ASKED]:
            yield from _in_message(item, depth + 1)
    elif isinstance(value, dict):
        if (call := _call(value)) is not None:
            yield call
            return
        for name in WITHIN:
            if isinstance(value.get(name), dict | list):
                yield from _in_message(value[name], depth + 1)


def _call(value: dict[str, Any]) -> Asked | None:
    function = value.get("function")
    inner = function if isinstance(function, dict) else value if value.get("type") in CALL_PARTS else None
    if inner is None or not isinstance(inner.get("name"), str):
        return None
    said = inner.get("arguments", inner.get("input"))
    return _made(inner["name"], value.get("id", value.get("call_id")), said)


def _numbered(known: Attributes) -> Iterator[Asked]:
    """One attribute for each part of each call: `gen_ai.completion.0.tool_calls.1.name`."""
    calls: dict[tuple[int, int], dict[str, Any]] = {}
    for key, value in known.items():
        if found := NUMBERED.match(key):
            calls.setdefault((int(found[1]), int(found[2] or 0)), {})[found[3]] = value
    for _, call in sorted(calls.items()):
        if isinstance(call.get("name"), str):
            yield _made(call["name"], call.get("id"), call.get("arguments"))


def _made(name: str, call_id: Any, said: Any) -> Asked:
    own = storable(call_id, limit=200) if isinstance(call_id, str) else ""
    captured = said is not None
    return Asked(storable(name, limit=200) or "unnamed", own, text_of(said) if captured else "", captured)


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
