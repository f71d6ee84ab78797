"""A tool call is one row, whoever tells of it first: the model's answer, a process, or its own span."""

import itertools
import json
from typing import Any

import pytest

from apps.attribution.models import Attribution
from apps.gateway.stages import calls as stage
from apps.incidents.models import Incident
from apps.telemetry.models import ToolCall
from tests.gateway.machine import Machine
from tests.gateway.working import SPAN, TRACE, TUNNEL, at, otlp, process, run_start, span, told

pytestmark = pytest.mark.django_db

CHAT = "c" * 16
NAMED = f"00-{TRACE}-{SPAN}-01"
INSIDE = {"cgroup": "/sentinel/rome/x"}


def answer(*wanted: tuple[str, str, str], end: float = 0.4, own: str = CHAT) -> dict[str, Any]:
    """The span of a model's answer that asks for calls (id, tool, command)."""
    parts = [
        {"type": "tool_call", "id": one, "name": tool, "arguments": {"command": command}}
        for one, tool, command in wanted
    ]
    messages = json.dumps([{"role": "assistant", "parts": parts}])
    told_of = [otlp("gen_ai.operation.name", "chat"), otlp("gen_ai.output.messages", messages)]
    return span(start=0.1, end=end, spanId=own, name="chat x", attributes=told_of)


ASKED = answer(("call-1", "shell", "ssh -R 9001"))
CALL = span("ssh -R 9001", end=3.0)
BEGUN = process(301, ("ssh", "-R", "9001"), traceparent=NAMED, at=at(0.6).timestamp(), **INSIDE)


def shown() -> list[ToolCall]:
    return list(ToolCall.every.filter(told_as=None).order_by("pk"))


def test_call_is_known_from_the_answer_before_it_runs() -> None:
    told(Machine.enrolled(), run_start(), ASKED)
    (call,) = shown()
    assert (call.known_from, call.name, call.call_id, call.ended_at) == ("asked", "shell", "call-1", None)
    assert json.loads(call.arguments) == {"command": "ssh -R 9001"}
    assert call.started_at == at(0.4)
    assert call.run is not None
    assert call.run.name == "rome"


def test_call_is_known_from_a_process_that_names_it() -> None:
    told(Machine.enrolled(), run_start(), BEGUN)
    (call,) = shown()
    assert (call.known_from, call.name, call.trace_id, call.span_id) == ("process", "", TRACE, SPAN)
    assert (call.started_at, call.arguments_captured) == (at(0.6), False)
    assert call.run is not None
    assert call.host is not None


@pytest.mark.parametrize("order", list(itertools.permutations([ASKED, CALL, BEGUN])))
@pytest.mark.parametrize("apart", [True, False], ids=["in lots of their own", "in one lot"])
def test_every_order_of_arrival_makes_one_call(order: tuple[dict[str, Any], ...], apart: bool) -> None:
    machine = Machine.enrolled()
    told(machine, run_start())
    for lot in [[one] for one in order] if apart else [list(order)]:
        told(machine, *lot)
    for again in order:
        told(machine, again)
    (call,) = shown()
    assert (call.known_from, call.name, call.call_id, call.span_id) == ("span", "shell", "call-1", SPAN)
    assert (call.started_at, call.ended_at) == (at(0.5), at(3.0))
    assert json.loads(call.arguments) == {"command": "ssh -R 9001"}
    assert call.host is not None
    assert call.episode is not None
    left = ToolCall.every.exclude(told_as=None)
    assert {one.told_as_id for one in left} <= {call.pk}
    assert all(one.ended_at for one in left)


def test_first_row_of_a_call_is_kept_when_its_span_comes() -> None:
    for first in (ASKED, BEGUN):
        ToolCall.every.all().delete()
        machine = Machine.enrolled()
        told(machine, run_start(), first)
        before = ToolCall.every.get().pk
        told(machine, CALL)
        assert ToolCall.every.get().pk == before


def test_same_call_id_in_two_answers_is_two_calls() -> None:
    machine = Machine.enrolled()
    told(machine, run_start(), ASKED, CALL)
    told(machine, answer(("call-1", "shell", "id"), end=4.0, own="d" * 16))
    told(machine, span("id", start=4.5, end=5.0, spanId="e" * 16))
    assert [(one.known_from, one.asked_key != "", one.ended_at) for one in shown()] == [
        ("span", True, at(3.0)),
        ("span", True, at(5.0)),
    ]


def test_call_that_was_asked_for_and_never_ran_stays_asked_for() -> None:
    told(Machine.enrolled(), run_start(), answer(("call-1", "shell", "id"), ("call-2", "web", "x")), CALL)
    assert [(one.call_id, one.known_from) for one in shown()] == [("call-1", "span"), ("call-2", "asked")]


def test_process_that_names_what_it_likes_changes_nothing_that_a_span_told() -> None:
    machine = Machine.enrolled()
    told(machine, run_start(), CALL)
    before = ToolCall.every.values().get()
    told(machine, BEGUN)
    assert ToolCall.every.values().get() == before


def test_process_of_another_run_cannot_claim_a_call() -> None:
    machine = Machine.enrolled()
    other = run_start("other", cgroup="/sentinel/other", root_pid=900, root_start_ticks=9000)
    thief = BEGUN | {"cgroup": "/sentinel/other/x"}
    told(machine, run_start(), other, thief)
    told(machine, CALL)
    (call,) = shown()
    assert call.run is not None
    assert (call.run.name, call.known_from, call.name) == ("rome", "span", "shell")


def test_forged_name_of_a_span_does_not_keep_the_true_one_out() -> None:
    machine = Machine.enrolled()
    told(machine, run_start(), ASKED)
    told(machine, BEGUN | {"traceparent": f"00-{TRACE}-{'f' * 16}-01"})
    told(machine, CALL)
    (call,) = shown()
    assert (call.span_id, call.known_from, call.started_at) == (SPAN, "span", at(0.5))


@pytest.mark.parametrize(
    "changed",
    [
        {"cgroup": "/user"},
        {"traceparent": "00-" + "0" * 32 + f"-{SPAN}-01"},
        {"traceparent": "x" * 5000},
        {"traceparent": f"00-{TRACE}-{SPAN}-01\x00"},
        {"pid": 100, "start_ticks": 1_000},
    ],
    ids=["of no run", "no trace", "nonsense", "not a text", "the run's root"],
)
def test_process_that_cannot_name_a_call_makes_none(changed: dict[str, Any]) -> None:
    told(Machine.enrolled(), run_start(), BEGUN | changed)
    assert shown() == []


def test_call_that_only_its_own_process_names_is_a_weak_sign_until_a_trace_tells_of_it() -> None:
    """What it is worth stands with it; alone it names nobody, in the run's own cgroup it does."""
    machine = Machine.enrolled()
    told(machine, run_start(), process(301, TUNNEL, traceparent=NAMED, **INSIDE))
    before = Incident.objects.get().confidence
    [own] = [one for one in Attribution.objects.get().basis if one["matcher"] == "traceparent"]
    assert "own word" in own["says"]
    assert own["strength"] < 50 < before < 80
    told(machine, CALL)
    assert Incident.objects.get().confidence > 90
    assert Attribution.objects.get(superseded_at=None).tool_call == ToolCall.every.get()


def test_children_of_a_call_make_no_more_of_it() -> None:
    child = BEGUN | {"pid": 302, "start_ticks": 3_020, "ppid": 301}
    other = child | {"pid": 303, "start_ticks": 3_030, "ppid": 302}
    machine = Machine.enrolled()
    told(machine, run_start(), BEGUN, child)
    told(machine, other)
    assert len(shown()) == 1


def test_a_run_makes_no_more_calls_known_than_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "MOST_NAMED", 3)
    many = [
        process(400 + n, traceparent=f"00-{TRACE}-{n + 1:016x}-01", start_ticks=4_000 + n, **INSIDE)
        for n in range(10)
    ]
    told(Machine.enrolled(), run_start(), *many)
    assert len(shown()) == 3
