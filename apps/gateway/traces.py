"""`POST /v1/traces`: OTLP/HTTP, protobuf and JSON, for training code that exports its own traces."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.accounts.roles import Right
from apps.accounts.tokens import use_token
from apps.fleet.models import TrainingRun
from apps.fleet.trace_tokens import use_trace_token
from apps.gateway import ingest, otlp, otlp_json, otlp_wire
from apps.gateway.auth import RefusedError
from apps.gateway.envelope import check_encoding, check_size, inflate
from apps.gateway.throttle import throttle_key
from hostagent import protocol

MOST_SPANS = 10_000
MOST_REQUESTS, MOST_SENT, THROTTLED_SECONDS = 1_200, 600_000, 60  # requests and spans of one token
UNREADABLE = "have no valid trace id, span id or start time, are too large, or were too many"
FOREIGN = "name another run than their token's"
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
        sender = _sender(request)
        throttle_key(f"traces:{sender.key}", most=MOST_REQUESTS, seconds=THROTTLED_SECONDS)
        spans, rejected = _read(_content(request, binary=binary), sender.run)
        sent = len(spans) + sum(rejected.values())
        throttle_key(f"spans:{sender.key}", most=MOST_SENT, seconds=THROTTLED_SECONDS, by=sent)
        ingest.tell_traces(spans, of=sender.run)
    except RefusedError as refused:
        return _refusal(refused, binary=binary)
    except (OperationalError, InterfaceError) as error:
        log.warning("traces cannot be stored: %s", type(error).__name__)
        away = RefusedError(503, "away", "The database is away; send it again.", retry_after=RETRY_SECONDS)
        return _refusal(away, binary=binary)
    return _taken(rejected, binary=binary)


def _taken(rejected: Counter[str], *, binary: bool) -> HttpResponse:
    whole = ExportTraceServiceResponse()
    if rejected:
        whole.partial_success.rejected_spans = sum(rejected.values())
        said = "; ".join(f"{number} spans {why}" for why, number in sorted(rejected.items()))
        whole.partial_success.error_message = f"{said}."
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


@dataclass(frozen=True, slots=True)
class _Sender:
    """Whose spans these are: of one run alone, or of whichever they name."""

    key: str
    run: TrainingRun | None


def _sender(request: HttpRequest) -> _Sender:
    if request.method != "POST":
        raise RefusedError(405, "method", "Traces are sent with POST.")
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    text = text.strip() if scheme.lower() == "bearer" else ""
    if (own := use_trace_token(text)) is not None:
        return _Sender(f"run:{own.pk}", own.run)
    token = use_token(text) if text else None
    if token is None:
        raise RefusedError(401, "no-token", "A bearer token is needed: a run's own, or one from Settings.")
    if not token.user.may(Right.TRIAGE):
        raise RefusedError(403, "no-right", "The token's person may not send traces.")
    return _Sender(f"person:{token.pk}", None)


def _content(request: HttpRequest, *, binary: bool) -> Spans:
    encoding = check_encoding(request.headers.get("Content-Encoding", ""))
    body = request.read(protocol.MAX_BODY_BYTES + 1)
    check_size(len(body))
    if body and not binary and (request.content_type or "").lower() != JSON:
        raise RefusedError(415, "unknown-type", f"Content-Type has to be {PROTOBUF} or {JSON}.")
    content = inflate(body, encoding) if body else b""
    return otlp_wire.spans_of(content) if binary else otlp_json.spans_of(content or b"{}")


def _read(content: Spans, of: TrainingRun | None) -> tuple[list[otlp.Seen], Counter[str]]:
    seen, rejected = [], Counter[str]()
    names = {of.name, of.marker, ""} if of else None
    try:
        for place, (span, resource) in enumerate(content):
            read = otlp.read_span(span, resource=resource) if span and place < MOST_SPANS else None
            if read is None:
                rejected[UNREADABLE] += 1
            elif names is not None and read.run not in names:
                rejected[FOREIGN] += 1
            else:
                seen.append(read)
    except otlp_wire.MalformedError as error:
        raise RefusedError(400, "malformed", f"The body is no OTLP request: {error}.") from None
    return seen, rejected
