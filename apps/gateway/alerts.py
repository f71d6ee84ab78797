"""`POST /v1/alerts/<format>`: alerts of other products, kept as they came before they are answered."""

import logging

from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apps.fleet.models import AlertSource
from apps.fleet.sources import use_source
from apps.gateway.adapters import ADAPTERS
from apps.gateway.adapters.base import MOST_INFLATED, Adapter, Sheet, UnreadableError
from apps.gateway.auth import RefusedError
from apps.gateway.envelope import check_encoding, check_size, inflate
from apps.gateway.kick import kick
from apps.telemetry import reports
from hostagent import protocol

RETRY_SECONDS = 2
log = logging.getLogger(__name__)


@csrf_exempt
def alerts(request: HttpRequest, form: str) -> JsonResponse:
    """The report is committed to the inbox, now or before, and its alerts are raised a moment later."""
    try:
        adapter = _adapter(request, form)
        summary = _kept(request, adapter)
    except RefusedError as refused:
        return _refusal(refused)
    except (OperationalError, InterfaceError) as error:
        log.warning("reports cannot be stored: %s", type(error).__name__)
        said = "The database is away; send it again."
        return _refusal(RefusedError(503, "away", said, retry_after=RETRY_SECONDS))
    kick()
    return JsonResponse(summary)


def _adapter(request: HttpRequest, form: str) -> Adapter:
    adapter = ADAPTERS.get(form)
    if adapter is None:
        raise RefusedError(404, "unknown-format", f"Known formats: {', '.join(ADAPTERS)}.")
    if request.method != "POST":
        raise RefusedError(405, "method", "Alerts are sent with POST.")
    return adapter


def _kept(request: HttpRequest, adapter: Adapter) -> dict[str, object]:
    source = _source(request, adapter)
    encoding = check_encoding(request.headers.get("Content-Encoding", ""))
    if reports.is_full(source):
        said = "Too much of this source waits; send it again soon."
        raise RefusedError(adapter.busy, "busy", said, retry_after=RETRY_SECONDS)
    body = request.read(protocol.MAX_BODY_BYTES + 1)
    check_size(len(body))
    sheet = _read(adapter, inflate(body, encoding, limit=MOST_INFLATED))
    with transaction.atomic():
        report, fresh = reports.keep(source, body=body, encoding=encoding, told=sheet.summary())
    more = {} if fresh else {"duplicate": True}
    return {"report": report.pk, "sha256": report.digest, **sheet.summary(), **more}


def _source(request: HttpRequest, adapter: Adapter) -> AlertSource:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    source = use_source(text.strip()) if scheme.lower() == "bearer" else None
    if source is None:
        raise RefusedError(401, "no-token", "The bearer token of an alert source is needed (fleet page).")
    if source.format != adapter.name:
        raise RefusedError(403, "other-format", f"This token is for /v1/alerts/{source.format}.")
    return source


def _read(adapter: Adapter, content: bytes) -> Sheet:
    try:
        return adapter.read(content)
    except UnreadableError as error:
        said = f"The body cannot be read as {adapter.name.label}: {error}."
        raise RefusedError(400, "malformed", said) from None


def _refusal(refused: RefusedError) -> JsonResponse:
    answer = JsonResponse(refused.body(), status=refused.status)
    if refused.retry_after is not None:
        answer["Retry-After"] = str(refused.retry_after)
    if refused.status == 405:
        answer["Allow"] = "POST"
    return answer
