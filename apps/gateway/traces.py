"""`POST /v1/traces`: OTLP/HTTP with JSON, for training code that exports its own traces.

Protobuf is not read yet: exporters are told so with 415, which they do not retry.
"""

from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.roles import Right
from apps.accounts.tokens import use_token
from apps.gateway import ingest, otlp
from apps.gateway.auth import RefusedError
from apps.gateway.envelope import check_encoding, check_size, inflate
from hostagent import protocol

MOST_SPANS = 10_000


@csrf_exempt
def traces(request: HttpRequest) -> HttpResponseBase:
    """The tool calls and episodes in the request are stored; what cannot be read is counted and said."""
    try:
        _check_right(request)
        spans, rejected = _read(_content(request))
    except RefusedError as refused:
        # OTLP wants google.rpc.Status: a code and a message.
        return JsonResponse({"code": refused.status, "message": refused.detail}, status=refused.status)
    ingest.tell_traces(spans)
    if not rejected:
        return JsonResponse({})
    said = f"{rejected} spans have no valid trace id, span id or start time, or were too many."
    return JsonResponse({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": said}})


def _check_right(request: HttpRequest) -> None:
    if request.method != "POST":
        raise RefusedError(405, "method", "Traces are sent with POST.")
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    token = use_token(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise RefusedError(401, "no-token", "A bearer token is needed; make one under Settings.")
    if not token.user.may(Right.TRIAGE):
        raise RefusedError(403, "no-right", "The token's person may not send traces.")


def _content(request: HttpRequest) -> Any:
    encoding = check_encoding(request.headers.get("Content-Encoding", ""))
    body = request.read(protocol.MAX_BODY_BYTES + 1)
    if not body:
        return {}
    check_size(len(body))
    if (request.content_type or "").lower() != "application/json":
        raise RefusedError(415, "unknown-type", "Content-Type has to be application/json.")
    try:
        return msgspec.json.decode(inflate(body, encoding))
    except (msgspec.DecodeError, RecursionError):
        raise RefusedError(400, "malformed", "The body is not JSON.") from None


def _read(content: Any) -> tuple[list[otlp.Seen], int]:
    seen, rejected = [], 0
    for place, (span, resource) in enumerate(otlp.spans_of(content)):
        if place >= MOST_SPANS or not otlp.valid(span):
            rejected += 1
        elif (read := otlp.read_span(span, resource=resource)) is not None:
            seen.append(read)
    return seen, rejected
