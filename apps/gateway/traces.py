"""`POST /v1/traces`: OTLP/HTTP, protobuf and JSON, for training code that exports its own traces."""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.accounts.roles import Right
from apps.accounts.tokens import use_token
from apps.gateway import ingest, otlp, otlp_json, otlp_wire
from apps.gateway.auth import RefusedError
from apps.gateway.envelope import check_encoding, check_size, inflate
from hostagent import protocol

MOST_SPANS = 10_000
JSON, PROTOBUF = "application/json", "application/x-protobuf"
RETRY_SECONDS = 2
Spans = Iterator[tuple[dict[str, Any] | None, Any]]

log = logging.getLogger(__name__)


@csrf_exempt
def traces(request: HttpRequest) -> HttpResponseBase:
    """The tool calls and episodes in the request are stored; what cannot be read is counted and said.

    Answered in the encoding that was sent, as OTLP wants it.
    """
    binary = (request.content_type or "").lower() == PROTOBUF
    try:
        _check_right(request)
        spans, rejected = _read(_content(request, binary=binary))
        ingest.tell_traces(spans)
    except RefusedError as refused:
        return _refusal(refused, binary=binary)
    except (OperationalError, InterfaceError) as error:
        log.warning("traces cannot be stored: %s", type(error).__name__)
        away = RefusedError(503, "away", "The database is away; send it again.", retry_after=RETRY_SECONDS)
        return _refusal(away, binary=binary)
    return _taken(rejected, binary=binary)


def _taken(rejected: int, *, binary: bool) -> HttpResponse:
    whole = ExportTraceServiceResponse()
    if rejected:
        said = "have no valid trace id, span id or start time, are too large, or were too many."
        whole.partial_success.rejected_spans = rejected
        whole.partial_success.error_message = f"{rejected} spans {said}"
    return _said(whole, 200, binary=binary)


def _refusal(refused: RefusedError, *, binary: bool) -> HttpResponse:
    """OTLP wants google.rpc.Status: a code and a message."""
    answer = _said(Status(code=refused.status, message=refused.detail), refused.status, binary=binary)
    if refused.retry_after is not None:
        answer["Retry-After"] = str(refused.retry_after)
    return answer


def _said(message: Any, status: int, *, binary: bool) -> HttpResponse:
    if binary:
        return HttpResponse(message.SerializeToString(), content_type=PROTOBUF, status=status)
    return JsonResponse(MessageToDict(message), status=status)


def _check_right(request: HttpRequest) -> None:
    if request.method != "POST":
        raise RefusedError(405, "method", "Traces are sent with POST.")
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    token = use_token(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise RefusedError(401, "no-token", "A bearer token is needed; make one under Settings.")
    if not token.user.may(Right.TRIAGE):
        raise RefusedError(403, "no-right", "The token's person may not send traces.")


def _content(request: HttpRequest, *, binary: bool) -> Spans:
    encoding = check_encoding(request.headers.get("Content-Encoding", ""))
    body = request.read(protocol.MAX_BODY_BYTES + 1)
    check_size(len(body))
    if body and not binary and (request.content_type or "").lower() != JSON:
        raise RefusedError(415, "unknown-type", f"Content-Type has to be {PROTOBUF} or {JSON}.")
    content = inflate(body, encoding) if body else b""
    return otlp_wire.spans_of(content) if binary else otlp_json.spans_of(content or b"{}")


def _read(content: Spans) -> tuple[list[otlp.Seen], int]:
    seen, rejected = [], 0
    try:
        for place, (span, resource) in enumerate(content):
            if place >= MOST_SPANS or span is None or not otlp.valid(span):
                rejected += 1
            elif (read := otlp.read_span(span, resource=resource)) is not None:
                seen.append(read)
    except otlp_wire.MalformedError as error:
        raise RefusedError(400, "malformed", f"The body is no OTLP request: {error}.") from None
    return seen, rejected
