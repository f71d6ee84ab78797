"""What a real instrumentation sends, over its real exporter, to the live door: no network, no model."""

import json
from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

from apps.telemetry.models import ToolCall
from tests.gateway.machine import Machine
from tests.gateway.test_traces_door import token
from tests.gateway.working import run_start, told
from tests.live import Web, web


@pytest.fixture
def server(transactional_db: None) -> Iterator[Web]:
    with web() as running:
        yield running


def test_call_is_known_while_it_runs_and_is_one_with_its_span(server: Web) -> None:
    told(Machine.enrolled(), run_start())
    exporter = OTLPSpanExporter(f"{server.address}/v1/traces", headers={"Authorization": f"Bearer {token()}"})
    provider = TracerProvider(resource=Resource({"sentinel.run": "rome"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))  # one request a span, as it ends
    agent = Agent(TestModel(), name="coder")
    agent.instrument = InstrumentationSettings(tracer_provider=provider)
    during: list[dict[str, object]] = []

    @agent.tool_plain
    def shell(command: str) -> str:  # called by the agent, on a thread
        """Runs a command."""
        during.extend(ToolCall.objects.values("pk", "name", "known_from", "call_id", "ended_at"))
        return "done"

    agent.run_sync("go", conversation_id="traj-9")
    provider.shutdown()
    (seen,) = during
    call = ToolCall.objects.get()
    assert (seen["pk"], seen["name"], seen["known_from"], seen["ended_at"]) == (
        call.pk,
        "shell",
        "asked",
        None,
    )
    assert (call.name, call.known_from, call.call_id) == ("shell", "span", seen["call_id"])
    assert json.loads(call.arguments) == {"command": "a"}
    assert call.ended_at is not None
    assert call.episode is not None
    assert call.episode.native_id == "traj-9"
