"""OTLP in JSON, opened span by span, as `otlp_wire` does it for protobuf and for the same reason."""

from collections.abc import Iterator
from typing import Any

import msgspec

from apps.gateway.otlp_wire import LARGEST_SPAN, MalformedError

# Each object and list that opens takes some hundred bytes in memory and two on the wire. A span with ten
# attributes has some thirty of them in a kilobyte; this is twice as many, in the largest body.
MOST_OPENED = 4_000_000


class _Scope(msgspec.Struct, rename="camel"):
    spans: list[msgspec.Raw] | None = None


class _Resource(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    scope_spans: list[_Scope] | None = None


class _Export(msgspec.Struct, rename="camel"):
    resource_spans: list[_Resource] | None = None


def spans_of(body: bytes) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any]]]:
    """As `otlp_wire.spans_of`: MalformedError comes with the first span."""
    for resource_spans in _decoded(body).resource_spans or ():
        resource = _object(resource_spans.resource) or {}
        for scope_spans in resource_spans.scope_spans or ():
            for span in scope_spans.spans or ():
                yield _object(span), resource


def _decoded(body: bytes) -> _Export:
    if body.count(b"{") + body.count(b"[") > MOST_OPENED:
        raise MalformedError(f"it has more than {MOST_OPENED:,} objects and lists")
    try:
        return msgspec.json.decode(body, type=_Export)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedError(str(error)[:200]) from None


def _object(raw: msgspec.Raw) -> dict[str, Any] | None:
    if memoryview(raw).nbytes > LARGEST_SPAN:
        return None
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
