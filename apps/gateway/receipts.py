"""`POST /agent/v1/receipts`: what a host signed about its orders; answered when it is committed."""

import json
from dataclasses import asdict

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.gateway.auth import RefusedError, signed_agent
from apps.gateway.envelope import check_size
from apps.response.services import receive_all
from hostagent.protocol import Signed

MOST_RECEIPTS = 200


@csrf_exempt
@require_POST
def receipts(request: HttpRequest) -> HttpResponseBase:
    """200 when everything that can be taken is committed; 422 when nothing in the list could be."""
    try:
        check_size(int(request.headers.get("Content-Length") or 0))
        agent = signed_agent(request)
        given = signed_texts(request.body)
    except RefusedError as refused:
        return JsonResponse(refused.body(), status=refused.status)
    taken = receive_all(agent, [(one["payload"], one["signature"]) for one in given])
    results = [asdict(one) for one in taken]
    refused_all = bool(results) and all(one["result"] == "refused" for one in results)
    if refused_all:
        return JsonResponse(
            {"error": "refused", "detail": results[0]["detail"], "results": results}, status=422
        )
    return JsonResponse({"results": results})


def signed_texts(body: bytes) -> list[Signed]:
    """The list in the body, or RefusedError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "malformed", "The body is not JSON.") from None
    if not isinstance(value, list) or not all(_signed(one) for one in value):
        raise RefusedError(400, "malformed", "The body has to be a list of {payload, signature}.")
    if len(value) > MOST_RECEIPTS:
        raise RefusedError(413, "too-many", f"At most {MOST_RECEIPTS} receipts at a time.")
    return value


def _signed(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("payload"), str)
        and isinstance(one.get("signature"), str)
        and len(one["signature"]) <= 96
    )
