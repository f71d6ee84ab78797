"""A tool call's own span names no run, episode or step: the spans above it do, before it or after it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.attribution.models import Attribution
from apps.fleet.models import Episode, Sandbox
from apps.gateway.tasks import forget_links
from apps.telemetry.models import SpanLink, ToolCall
from tests.gateway.machine import Machine
from tests.gateway.test_traces_door import send, token
from tests.gateway.working import NOW, TRACE, TUNNEL, otlp, process, run_start, span, told

pytestmark = pytest.mark.django_db


def one(own: str, above: str, name: str, **known: str | int) -> dict[str, Any]:
    attributes = [otlp(key.replace("__", "."), value) for key, value in known.items()]
    made = span(end=2.0, spanId=own * 16, name=name, attributes=attributes)["span"]
    return made | ({"parentSpanId": above * 16} if above else {})


STEP = one("1", "", "pipeline_step", sentinel__run="rome", global_step=41)
TRAJECTORY = one("2", "1", "trajectory", traj_id="train_3_7_0_12")
OTHER = one("3", "1", "trajectory", traj_id="train_3_7_0_13")
TURN = one("4", "2", "step")
CALL = one("5", "4", "execute_tool shell", gen_ai__operation__name="execute_tool", gen_ai__tool__name="shell")
INNER = one("6", "5", "execute_tool grep", gen_ai__operation__name="execute_tool", gen_ai__tool__name="grep")
TREE = [STEP, TRAJECTORY, OTHER, TURN, CALL, INNER]


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


@pytest.mark.parametrize(
    "spans",
    [TREE, TREE[::-1], [*TREE[:4], INNER, CALL]],
    ids=["from above", "from below", "the outer call last"],
)
@pytest.mark.parametrize("apart", [True, False], ids=["in requests of their own", "in one request"])
def test_run_episode_and_step_come_from_above(spans: list[dict[str, Any]], apart: bool) -> None:
    told(Machine.enrolled(), run_start())
    text = token()
    for request in [[it] for it in spans] if apart else [spans]:
        assert send(export(*request), text).json() == {}
    for call in ToolCall.every.select_related("run", "episode"):
        assert call.run is not None, call.name
        assert call.episode is not None, call.name
        assert (call.run.name, call.global_step) == ("rome", 41)
        assert call.episode.native_id == "train_3_7_0_12"
    assert ToolCall.every.count() == 2
    assert Episode.objects.filter(native_id="train_3_7_0_12").count() == 1


def test_call_of_one_run_is_not_placed_by_a_span_of_another() -> None:
    machine = Machine.enrolled()
    told(machine, run_start(), run_start("other", cgroup="/sentinel/other"))
    theirs = one("2", "", "trajectory", sentinel__run="other", traj_id="theirs", global_step=9)
    mine = one("5", "2", "execute_tool shell", sentinel__run="rome", gen_ai__tool__name="shell")
    assert send(export(theirs, mine), token()).status_code == 200
    call = ToolCall.every.get()
    assert call.run is not None
    assert (call.run.name, call.episode, call.global_step) == ("rome", None, None)


def test_where_spans_stood_is_forgotten_after_some_time() -> None:
    told(Machine.enrolled(), run_start())
    assert send(export(STEP, TRAJECTORY), token()).status_code == 200
    assert forget_links() == 0
    SpanLink.objects.filter(span_id="1" * 16).update(received_at=timezone.now() - timedelta(days=3))
    assert forget_links() == 1
    assert SpanLink.objects.get().span_id == "2" * 16


def test_spans_that_stand_above_each_other_end_somewhere() -> None:
    told(Machine.enrolled(), run_start())
    first, then = one("2", "4", "step"), one("4", "2", "step")
    assert send(export(first, then, CALL), token()).status_code == 200
    assert ToolCall.every.get().run is None


def test_call_of_a_run_that_begins_later_is_assigned_to_it_with_its_episode() -> None:
    known = {"sentinel__run": "rome", "gen_ai__tool__name": "shell", "sentinel__episode": "e-1"}
    assert send(export(one("5", "", "execute_tool shell", **known)), token()).status_code == 200
    before = ToolCall.every.get()
    assert (before.run, before.said_run) == (None, "rome")
    told(Machine.enrolled(), run_start())
    after = ToolCall.every.get()
    assert after.pk == before.pk
    assert after.run is not None
    assert after.episode is not None
    assert (after.run.name, after.episode.native_id) == ("rome", "e-1")


@pytest.mark.parametrize("outer", ["tools/call fs", "execute_tool fs"])
@pytest.mark.parametrize("turned", [False, True])
def test_both_sides_of_a_call_by_mcp_are_one_call(outer: str, turned: bool) -> None:
    told(Machine.enrolled(), run_start())
    mcp = {"mcp__method__name": "tools/call", "gen_ai__tool__name": "fs", "sentinel__run": "rome"}
    said = {"gen_ai__tool__call__arguments": '{"path": "/etc"}'}
    server = {key: value for key, value in mcp.items() if key != "sentinel__run"}  # another service
    both = [one("5", "", outer, **mcp), one("6", "5", "tools/call fs", **server, **said)]
    text = token()
    for side in both[::-1] if turned else both:
        assert send(export(side), text).status_code == 200
    call = ToolCall.every.get(told_as=None)
    assert (call.span_id, call.arguments) == ("5" * 16, '{"path": "/etc"}')
    inner = ToolCall.every.exclude(told_as=None).get()
    assert (inner.told_as, inner.run) == (call, call.run)


def test_call_below_its_like_that_says_something_else_is_a_call_of_its_own() -> None:
    told(Machine.enrolled(), run_start())
    known = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "sh", "sentinel__run": "rome"}
    outer = one("5", "", "x", **known, gen_ai__tool__call__arguments="id")
    inner = one("6", "5", "x", **known, gen_ai__tool__call__arguments="curl evil")
    assert send(export(outer, inner), token()).status_code == 200
    assert ToolCall.every.filter(told_as=None, trace_id=TRACE).count() == 2


def test_sandbox_that_a_call_names_is_kept_once_and_leads_to_its_processes(db: None) -> None:
    box = "4f1d2c" * 10
    named = span("sleep 1")
    named["span"]["attributes"].append(otlp("container.id", box))
    code = process(202, TUNNEL, at=NOW + 1.2, cgroup=f"/system.slice/docker-{box}.scope", marker="rome-1")
    told(Machine.enrolled(), run_start(), named, named, code)
    call = ToolCall.objects.select_related("sandbox").get()
    assert call.sandbox == Sandbox.objects.get()
    assert call.sandbox is not None
    assert (call.sandbox.native_id, call.sandbox.run_id) == (box, call.run_id)
    [made] = Attribution.objects.filter(alert__rule__slug="ssh-remote-forward", superseded_at=None)
    assert "sandbox" in {part["matcher"] for part in made.basis}
    assert made.tool_call == call
