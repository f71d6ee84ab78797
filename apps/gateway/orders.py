"""`GET /agent/v1/orders`: the signed orders that wait for the host agent that asks."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from apps.gateway.auth import RefusedError, signed_agent
from apps.response import selectors


@csrf_exempt
@require_GET
def orders(request: HttpRequest) -> HttpResponseBase:
    """Exact texts with their signatures. Asking changes nothing: only a receipt says that one arrived."""
    try:
        agent = signed_agent(request)
    except RefusedError as refused:
        return JsonResponse(refused.body(), status=refused.status)
    waiting = [{"payload": one.payload, "signature": one.signature} for one in selectors.pending(agent)]
    return JsonResponse({"orders": waiting})
