"""A run's own token sends the traces of that run and opens nothing else; nobody's token sends without end."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from apps.audit.models import AuditEntry
from apps.audit.services import By
from apps.fleet.models import TraceToken, TrainingRun
from apps.fleet.trace_tokens import make_trace_token, revoke_trace_token
from apps.gateway import throttle, traces
from apps.gateway.auth import RefusedError
from apps.telemetry.models import SpanLink, ToolCall
from tests.api.script import Script, script_of
from tests.console.cast import browser, person
from tests.gateway.machine import Machine
from tests.gateway.test_traces_door import export, send, token
from tests.gateway.working import otlp, run_start, span, told

ANA = By("person", "ana")


def started(name: str = "rome") -> TrainingRun:
    told(Machine.enrolled(), run_start(name, cgroup=f"/sentinel/{name}"))
    return TrainingRun.objects.get(name=name)


def bare(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


@pytest.mark.django_db
def test_spans_are_of_the_tokens_run_whether_they_name_it_or_not() -> None:
    run = started()
    _, text = make_trace_token(run, by=ANA)
    assert send(bare(span("ls")["span"]), text).json() == {}
    assert send(export(span("id", spanId="a" * 16)["span"]), text).json() == {}
    assert [call.run for call in ToolCall.objects.all()] == [run, run]
    assert TraceToken.objects.get().last_used_at is not None


@pytest.mark.django_db
def test_spans_that_name_another_run_are_rejected_and_counted() -> None:
    started("other")
    _, text = make_trace_token(started(), by=ANA)
    theirs = span("ls")["span"]
    theirs["attributes"].append(otlp("sentinel.run", "other"))
    said = send(bare(theirs, span("id", spanId="a" * 16)["span"], {}), text).json()["partialSuccess"]
    assert said["rejectedSpans"] == "2"
    assert "1 spans name another run than their token's" in said["errorMessage"]
    assert ToolCall.objects.get().span_id == "a" * 16


@pytest.mark.django_db
def test_token_opens_nothing_else_and_nothing_once_revoked() -> None:
    made, text = make_trace_token(started(), by=ANA)
    assert Script(text).get("/me").status_code == 401
    assert Script(text).get("/runs").status_code == 401
    assert text not in str(TraceToken.objects.values().get())
    assert revoke_trace_token(made, by=ANA)
    assert not revoke_trace_token(made, by=ANA)
    assert send(bare(), text).status_code == 401
    actions = list(
        AuditEntry.objects.filter(action__startswith="trace_token").values_list("action", flat=True)
    )
    assert sorted(actions) == ["trace_token.made", "trace_token.revoked"]


@pytest.mark.django_db
def test_token_is_made_and_revoked_on_the_runs_page() -> None:
    run = started()
    page = browser("jonas").post(f"/runs/{run.pk}/tokens/").content.decode()
    text = page.split('aria-label="The token">')[1].split("<")[0]
    assert send(bare(span("ls")["span"]), text).status_code == 200
    listed = browser("jonas").get(f"/runs/{run.pk}/").content.decode()
    assert text not in listed
    made = TraceToken.objects.get()
    assert made.made_by == "jonas"
    assert f"Token {made.pk} by <b>jonas</b>" in listed
    assert "Revoke" not in browser("mei").get(f"/runs/{run.pk}/panel/tokens/").content.decode()
    assert browser("jonas").post(f"/runs/tokens/{made.pk}/revoke/").status_code == 200
    assert send(bare(), text).status_code == 401


@pytest.mark.django_db
def test_token_is_made_listed_and_revoked_by_the_api() -> None:
    run, script = started(), script_of(person("jonas"))
    made = script.post(f"/runs/{run.pk}/trace-tokens")
    assert made.status_code == 201
    assert send(bare(), made.json()["text"]).status_code == 200  # type: ignore[attr-defined]
    (listed,) = script.get(f"/runs/{run.pk}/trace-tokens").json()  # type: ignore[attr-defined]
    assert listed["made_by"] == "jonas"
    other = started("other")
    path = f"trace-tokens/{listed['id']}/revoke"
    assert script.post(f"/runs/{other.pk}/{path}").status_code == 404
    assert script.post(f"/runs/{run.pk}/{path}").status_code == 200
    assert script.get(f"/runs/{run.pk}/trace-tokens").json() == []  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["MOST_REQUESTS", "MOST_SENT"])
def test_token_that_sends_too_much_is_told_to_wait(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, what, 2)
    _, text = make_trace_token(started(), by=ANA)
    content = bare(span("ls")["span"])
    assert [send(content, text).status_code for _ in range(3)] == [200, 200, 429]
    refused = send(content, text)
    assert int(refused["Retry-After"]) > 0
    assert send(content, token()).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_same_request_from_many_at_once_is_stored_once() -> None:
    started()
    text = token()
    chat = span(spanId="c" * 16, name="chat x", end=0.4, attributes=[otlp("gen_ai.operation.name", "chat")])[
        "span"
    ]
    asked = '[{"role": "assistant", "parts": [{"type": "tool_call", "id": "call-1", "name": "shell"}]}]'
    chat["attributes"].append(otlp("gen_ai.output.messages", asked))
    requests = [export(chat), export(span("ls", end=2.0)["span"]), export(chat, span("ls", end=2.0)["span"])]

    def post(content: dict[str, Any]) -> int:
        try:
            return int(send(content, text).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(post, requests * 4)) == {200}
    call = ToolCall.every.get()
    assert (call.known_from, call.call_id, call.span_id) == ("span", "call-1", span()["span"]["spanId"])
    assert call.asked_key
    assert SpanLink.objects.count() == 1


def test_windows_of_time_are_counted_apart_and_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 2)
    now = [100.0]
    monkeypatch.setattr(throttle.time, "monotonic", lambda: now[0])
    throttle.throttle_key("a", most=2, seconds=60, by=2)
    with pytest.raises(RefusedError) as refused:
        throttle.throttle_key("a", most=2, seconds=60)
    assert refused.value.retry_after == 60
    now[0] += 61
    throttle.throttle_key("a", most=2, seconds=60)
    for key in ("b", "c"):
        throttle.throttle_key(key, most=1, seconds=60)
    throttle.throttle_key("a", most=2, seconds=60, by=2)  # as if it came for the first time
