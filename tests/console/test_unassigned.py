"""Tool calls of no known run are shown with the reason, and go to their run when it begins."""

from typing import Any

import pytest

from apps.telemetry.models import ToolCall
from tests.console.cast import browser
from tests.gateway.machine import Machine
from tests.gateway.test_traces_door import send, token
from tests.gateway.working import otlp, run_start, span, told

pytestmark = pytest.mark.django_db
NASTY = '<script>alert(1)</script>\u202e"'


def call(own: str, run: str = "") -> dict[str, Any]:
    made = span(f"echo {own}", spanId=own * 16)["span"]
    made["attributes"] += [otlp("sentinel.run", run)] if run else []
    return made


def page(path: str = "/runs/unassigned/") -> str:
    answer = browser("mei").get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_is_shown_with_its_reason_until_its_run_begins() -> None:
    spans = [call("a"), call("b", "later"), call("c", "later-1"), call("d", NASTY)]
    content = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    assert send(content, token()).json() == {}
    assert "4 tool calls of no known run" in page("/runs/")
    shown = page()
    assert "Neither the spans nor what stands above them" in shown
    assert "<code>later</code>" in shown
    assert "No run of this name or marker has begun" in shown
    assert "<script>alert" not in shown
    assert "\u202e" not in shown
    told(Machine.enrolled(), run_start("later"))
    assert {it.span_id[0] for it in ToolCall.objects.exclude(run=None)} == {"b", "c"}
    assert "2 tool calls of no known run" in page("/runs/")
    assert "<code>later</code>" not in page()


def test_nothing_is_said_where_there_is_none() -> None:
    assert "of no known run" not in page("/runs/")
    assert "Every tool call that was told of belongs to a run." in page()


def test_where_a_call_is_known_from_is_said_on_the_runs_page() -> None:
    machine = Machine.enrolled()
    named = f"00-{'5' * 32}-{'6' * 16}-01"
    from tests.gateway.test_calls_become_known import ASKED, INSIDE
    from tests.gateway.working import process

    told(machine, run_start(), ASKED, process(301, traceparent=named, **INSIDE))
    run = ToolCall.every.first().run  # type: ignore[union-attr]
    assert run is not None
    shown = page(f"/runs/{run.pk}/")
    assert "asked for by the model" in shown
    assert "named by a process" in shown
    assert "not told yet" in shown
