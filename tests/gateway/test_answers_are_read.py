"""Tool calls that a model's answer asks for, in messages of several generations and of none."""

import json
from typing import Any

import pytest

from apps.gateway.otlp import read_span
from apps.gateway.otlp_asked import MOST_ASKED
from tests.gateway.test_spans_are_read import span
from tests.gateway.working import otlp

PART = {"type": "tool_call", "id": "c1", "name": "sh", "arguments": {"command": "ls"}}
OPENAI = {"id": "c1", "type": "function", "function": {"name": "sh", "arguments": '{"command":"ls"}'}}
SPOKEN = json.dumps({"message": {"tool_calls": [OPENAI]}})
IN_AN_ATTRIBUTE = json.dumps([{"event.name": "gen_ai.choice", "message": {"tool_calls": [OPENAI]}}])
EARLIER = json.dumps({"tool_calls": [OPENAI]})
CHAT = {"gen_ai.operation.name": "chat"}


def event(name: str, **attributes: Any) -> dict[str, Any]:
    pairs = [otlp(key.replace("__", "."), value) for key, value in attributes.items()]
    return {"name": name, "attributes": pairs}


def messages(*parts: Any) -> dict[str, str | int]:
    return {"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": list(parts)}])}


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        (CHAT | messages({"type": "text", "content": "x"}, PART), []),
        (
            {
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.tool_calls.0.id": "c1",
                "gen_ai.completion.0.tool_calls.0.name": "sh",
                "gen_ai.completion.0.tool_calls.0.arguments": '{"command":"ls"}',
            },
            [],
        ),
        (
            {
                "llm.request.type": "chat",
                "llm.completions.0.function_call.name": "sh",
                "llm.completions.0.function_call.arguments": '{"command":"ls"}',
            },
            [],
        ),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "sh",
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"command":"ls"}',
            },
            [],
        ),
        (CHAT, [event("gen_ai.choice", gen_ai__event__content=SPOKEN)]),
        (CHAT, [event("gen_ai.choice", message=EARLIER)]),
        (CHAT, [event("gen_ai.choice", tool_calls=json.dumps([OPENAI]))]),
        (
            CHAT | {"events": IN_AN_ATTRIBUTE},
            [],
        ),
    ],
)
def test_answer_of_each_generation(attributes: dict[str, str | int], events: list[Any]) -> None:
    seen = read_span(span(attributes, "chat x", events=events))
    assert seen is not None
    (call,) = seen.asked
    assert (call.name, call.arguments, call.captured) == ("sh", '{"command":"ls"}', True)
    assert call.call_id in ("c1", "")


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        ({"gen_ai.operation.name": "invoke_agent"} | messages(PART), []),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"} | messages(PART), []),
        ({"openinference.span.kind": "CHAIN"} | messages(PART), []),
        (CHAT | {"gen_ai.input.messages": messages(PART)["gen_ai.output.messages"]}, []),
        (CHAT, [event("gen_ai.assistant.message", gen_ai__event__content=EARLIER)]),
        (CHAT | messages({"type": "tool_call", "name": 5}, {"type": "tool_call"}, 5, None, "x"), []),
        (CHAT | {"gen_ai.output.messages": "["}, []),
        (CHAT | {"gen_ai.output.messages": "[" * 100_000}, []),
        (CHAT | {"gen_ai.output.messages": 5, "gen_ai.completion.0.tool_calls.99999.name": "x"}, []),
        (CHAT | {"gen_ai.output.messages": '"\ud800"'}, []),
    ],
)
def test_what_asks_for_nothing_makes_no_call(attributes: dict[str, str | int], events: list[Any]) -> None:
    seen = read_span(span(attributes, "chat x", events=events))
    assert seen is not None
    assert seen.asked == ()


def test_answer_with_endless_calls_and_text_is_cut() -> None:
    many = [PART | {"id": "x" * 500, "name": "n" * 500, "arguments": "a" * 200_000}] * 3 + [PART] * 1_000
    seen = read_span(span(CHAT | messages(*many), "chat x"))
    assert seen is not None
    assert len(seen.asked) == MOST_ASKED
    assert (len(seen.asked[0].call_id), len(seen.asked[0].name)) == (200, 200)
    assert len(seen.asked[0].arguments) == 64 * 1024
