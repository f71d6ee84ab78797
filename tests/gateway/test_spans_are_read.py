"""OTLP-JSON spans of several generations of conventions, and spans that are not what they say."""

from typing import Any

import pytest

from apps.gateway.otlp import read_span
from tests.gateway.working import SPAN, TRACE, otlp

START = 1_795_000_000_500_000_000


def span(attributes: dict[str, str | int], name: str = "x", **changed: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": name,
        "startTimeUnixNano": str(START),
        "attributes": [otlp(key, value) for key, value in attributes.items()],
    } | changed


@pytest.mark.parametrize(
    ("attributes", "name", "tool"),
    [
        (
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "shell"},
            "execute_tool shell",
            "shell",
        ),
        ({"gen_ai.operation.name": "execute_tool"}, "execute_tool shell", "shell"),
        ({"gen_ai.tool.name": "shell"}, "tool", "shell"),
        ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "fs"}, "tools/call fs", "fs"),
        ({"traceloop.span.kind": "tool", "traceloop.entity.name": "sh"}, "sh.tool", "sh"),
        ({"openinference.span.kind": "TOOL", "tool.name": "python"}, "python", "python"),
        ({}, "execute_tool grep", "grep"),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "sh"}, "running tool", "sh"),
        ({"mcp.method.name": "tools/call", "mcp.tool.name": "fs"}, "tools/call fs", "fs"),
        ({"mcp.method.name": "tools/call"}, "tools/call fs", "fs"),
        ({"openinference.span.kind": "TOOL", "tool_call.function.name": "sh"}, "x", "sh"),
    ],
)
def test_tool_call_of_each_generation(attributes: dict[str, str | int], name: str, tool: str) -> None:
    seen = read_span(span(attributes, name))
    assert seen is not None
    assert (seen.tool, seen.ended_at) == (tool, None)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"gen_ai.operation.name": "chat", "gen_ai.tool.name": "shell"}, "chat"),
        ({"gen_ai.operation.name": "invoke_agent"}, "invoke_agent without an episode"),
        ({"http.method": "GET"}, "GET"),
    ],
)
def test_other_spans_are_passed_over(attributes: dict[str, str | int], name: str) -> None:
    seen = read_span(span(attributes, name))
    assert seen is not None
    assert (seen.tool, seen.whole, seen.asked) == ("", False, ())


def test_episode_is_read_from_its_own_span_and_from_the_resource() -> None:
    seen = read_span(span({"gen_ai.operation.name": "invoke_agent", "traj_id": "t-1", "global_step": 12}))
    assert seen is not None
    assert (seen.tool, seen.episode, seen.global_step) == ("", "t-1", 12)
    resource = {"attributes": [otlp("sentinel.run", "rome"), otlp("sentinel.episode", "e-1")]}
    seen = read_span(span({"gen_ai.tool.name": "sh"}), resource=resource)
    assert seen is not None
    assert (seen.run, seen.episode) == ("rome", "e-1")


def test_run_that_is_known_beats_the_one_that_is_claimed() -> None:
    seen = read_span(span({"gen_ai.tool.name": "sh", "sentinel.run": "other"}), run="rome")
    assert seen is not None
    assert seen.run == "rome"


def test_arguments_as_an_object_are_kept_as_json_and_none_is_not_captured() -> None:
    value = {"kvlistValue": {"values": [{"key": "command", "value": {"stringValue": "ls -la"}}]}}
    with_them = span({"gen_ai.tool.name": "sh"})
    with_them["attributes"].append({"key": "gen_ai.tool.call.arguments", "value": value})
    seen = read_span(with_them)
    assert seen is not None
    assert (seen.arguments, seen.captured) == ('{"command":"ls -la"}', True)
    without = read_span(span({"gen_ai.tool.name": "sh"}))
    assert without is not None
    assert (without.arguments, without.captured) == ("", False)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.tool.call.arguments",
        "tool_arguments",
        "tool.parameters",
        "input.value",
        "traceloop.entity.input",
        "tool_call.function.arguments",
        "mcp.request.arguments",
    ],
)
def test_arguments_of_each_generation(name: str) -> None:
    seen = read_span(span({"gen_ai.tool.name": "sh", name: '{"command":"ls"}'}))
    assert seen is not None
    assert (seen.arguments, seen.captured) == ('{"command":"ls"}', True)


def test_arguments_that_are_an_attribute_each_are_put_together() -> None:
    seen = read_span(span({"gen_ai.tool.name": "sh", "mcp.request.argument.path": "/etc"}))
    assert seen is not None
    assert seen.arguments == '{"path":"/etc"}'


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "e"}, "invoke_agent x"),
        ({"gen_ai.operation.name": "invoke_workflow", "session.id": "e"}, "x"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.thread.id": "e"}, "x"),
        ({"openinference.span.kind": "AGENT", "session.id": "e"}, "x"),
        ({"traceloop.span.kind": "workflow", "traceloop.association.properties.session_id": "e"}, "x"),
        ({"traj_id": "e", "episode_id": "0"}, "trajectory"),
    ],
)
def test_episode_of_each_generation(attributes: dict[str, str | int], name: str) -> None:
    seen = read_span(span(attributes, name))
    assert seen is not None
    assert (seen.episode, seen.whole, seen.tool) == ("e", True, "")


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_failure_is_seen(code: Any) -> None:
    seen = read_span(span({"gen_ai.tool.name": "sh"}, status={"code": code}))
    assert seen is not None
    assert seen.failed


def test_ids_are_taken_in_either_case() -> None:
    seen = read_span(span({"gen_ai.tool.name": "sh"}, traceId=TRACE.upper()))
    assert seen is not None
    assert seen.trace_id == TRACE


@pytest.mark.parametrize(
    "changed",
    [
        {"traceId": "0" * 32},
        {"traceId": TRACE[:-1]},
        {"traceId": "g" * 32},
        {"traceId": 5},
        {"spanId": None},
        {"spanId": "0" * 16},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": "9" * 30},
        {"startTimeUnixNano": True},
        {"startTimeUnixNano": None},
    ],
)
def test_span_without_a_name_or_a_time_of_its_own_is_none(changed: dict[str, Any]) -> None:
    spoilt = span({"gen_ai.tool.name": "sh"}, **changed)
    assert read_span(spoilt) is None


@pytest.mark.parametrize(
    "attributes", [None, 5, "x", [5], [{"key": 5}], [{"key": "a"}], [{"key": "a", "value": 7}]]
)
def test_attributes_of_any_shape_break_nothing(attributes: Any) -> None:
    seen = read_span(span({}, "execute_tool sh") | {"attributes": attributes})
    assert seen is not None
    assert seen.tool == "sh"
