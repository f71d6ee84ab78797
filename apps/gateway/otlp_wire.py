"""OTLP in protobuf, opened span by span.

Two bytes on the wire can stand for a message of some hundred bytes in memory, so a whole request is never
decoded at once: its frames are walked here, and the library decodes one span at a time, none of them large.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apps.gateway.otlp import DEEPEST, MOST_ATTRIBUTES, MOST_EVENTS

LARGEST_SPAN = 1024 * 1024  # bytes on the wire, and of a resource

# Numbers of the fields that are walked: resource_spans of the request; resource and scope_spans; spans
RESOURCE_SPANS, RESOURCE, SCOPE_SPANS, SPANS = 1, 1, 2, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class MalformedError(ValueError):
    """The bytes are no OTLP request."""


def spans_of(body: bytes) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any]]]:
    """The spans of an export request, each with its resource, in the shape of OTLP's JSON.

    None stands for a span that is too large or none at all. Raises MalformedError where the frames around
    the spans are broken.
    """
    for resource_spans in _inside(memoryview(body), RESOURCE_SPANS):
        resource = _resource(resource_spans)
        for scope_spans in _inside(resource_spans, SCOPE_SPANS):
            for span in _inside(scope_spans, SPANS):
                yield _span(span), resource


def _inside(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The messages in the field `wanted` of `message`; other fields are passed over."""
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            _, place = _varint(message, place)
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _LENGTH:
            size, place = _varint(message, place)
        if size is None or place + size > end:
            raise MalformedError("a field has no end")
        if kind == _LENGTH and tag >> 3 == wanted:
            yield message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """The number at `place`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise MalformedError("a number has no end")


def _resource(resource_spans: memoryview) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for part in _inside(resource_spans, RESOURCE):
        if len(part) <= LARGEST_SPAN:
            try:
                known |= _attributes(Resource.FromString(part.tobytes()).attributes)
            except DecodeError:
                raise MalformedError("a resource is none") from None
    return {"attributes": known}


def _span(frame: memoryview) -> dict[str, Any] | None:
    if len(frame) > LARGEST_SPAN:
        return None
    try:
        span = Span.FromString(frame.tobytes())
    except DecodeError:
        return None
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "attributes": _attributes(span.attributes),
        "events": [
            {"name": event.name, "attributes": _attributes(event.attributes)}
            for event in span.events[:MOST_EVENTS]
        ],
        "status": {"code": span.status.code},
    }


def _attributes(pairs: Any) -> dict[str, Any]:
    found: list[KeyValue] = pairs[:MOST_ATTRIBUTES]
    return {pair.key: _value(pair.value) for pair in found}


def _value(value: AnyValue, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if depth > DEEPEST or kind in (None, "bytes_value"):
        return None
    if kind == "array_value":
        return [_value(inner, depth + 1) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return getattr(value, kind)
