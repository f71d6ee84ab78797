"""`POST /v1/traces`: training code sends its own spans, with a token of somebody who may."""

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import make_token
from apps.attribution.models import Attribution
from apps.gateway import otlp_json
from apps.incidents.models import Incident
from apps.telemetry.models import Episode, ToolCall
from tests.gateway.machine import Machine
from tests.gateway.working import NOW, SPAN, TRACE, TUNNEL, otlp, process, run_start, span, told

pytestmark = pytest.mark.django_db


def token(role: str = "responder") -> str:
    person = User.objects.create(username=role, role=role)
    return make_token(person, name="trainer")[1]


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [otlp("sentinel.run", "rome")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def send(content: Any, text: str = "", **headers: str) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"Authorization": f"Bearer {text}"} | headers
    kind = given.pop("Content-Type", "application/json")
    return Client().post("/v1/traces", body, content_type=kind, headers=given)


def test_tool_call_is_stored_once_however_often_it_is_sent() -> None:
    text, content = token(), export(span("ls", end=2.0)["span"])
    told(Machine.enrolled(), run_start())
    for _ in range(2):
        answer = send(content, text)
        assert (answer.status_code, answer.json()) == (200, {})
    call = ToolCall.objects.get()
    assert call.run is not None
    assert (call.run.name, call.name, call.host) == ("rome", "shell", None)
    assert Episode.objects.get().native_id == "episode-7"


def test_earlier_alert_is_matched_with_it() -> None:
    machine = Machine.enrolled()
    parent = f"00-{TRACE}-{SPAN}-01"
    told(
        machine, run_start(), process(202, TUNNEL, at=NOW + 1, cgroup="/sentinel/rome/x", traceparent=parent)
    )
    before = Attribution.objects.get(superseded_at=None).strength
    assert send(export(span(" ".join(TUNNEL))["span"]), token()).status_code == 200
    assert Incident.objects.get().origin == "model"
    now = Attribution.objects.get(superseded_at=None)
    assert now.tool_call == ToolCall.objects.get()
    assert now.strength > 95 > before


def test_what_cannot_be_read_is_counted_and_the_rest_is_kept() -> None:
    good, bad = span("ls")["span"], {"name": "execute_tool x", "traceId": "short"}
    said = send(export(good, bad), token()).json()["partialSuccess"]
    assert said["rejectedSpans"] == "1"
    assert ToolCall.objects.count() == 1


def test_empty_request_is_a_success() -> None:
    text = token()
    assert send({}, text).json() == {}
    assert send(b"", text).status_code == 200


def test_compressed_request_is_read() -> None:
    body = gzip.compress(json.dumps(export(span("ls")["span"])).encode())
    assert send(body, token(), **{"Content-Encoding": "gzip"}).status_code == 200
    assert ToolCall.objects.exists()


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"[]", {}, 400),
        (b'{"resourceSpans": 5}', {}, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": "x"}]}]}', {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (b" " * (8 * 1024 * 1024 + 1), {}, 413),
        (b"{}", {"Authorization": "Bearer wrong"}, 401),
        (b"{}", {"Authorization": ""}, 401),
    ],
)
def test_refusal_is_one_that_exporters_do_not_retry(
    content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = send(content, token(), **headers)
    assert answer.status_code == status
    assert answer.json()["message"].endswith(".")


def test_person_who_may_only_look_may_not_send() -> None:
    assert send({}, token("viewer")).status_code == 403
    assert send({}, token("auditor")).status_code == 403


def test_one_odd_span_costs_no_other() -> None:
    large = span("x" * (otlp_json.LARGEST_SPAN + 1))["span"]
    answer = send(export(5, large, [], span("ls")["span"]), token())  # type: ignore[arg-type]
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "3"
    assert '"ls"' in ToolCall.objects.get().arguments


def test_more_objects_than_memory_is_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_json, "MOST_OPENED", 1_000)
    answer = send(b'{"resourceSpans": [], "x": [' + b"[]," * 1_000 + b"[]]}", token())
    assert answer.status_code == 400
    assert "objects and lists" in answer.json()["message"]
