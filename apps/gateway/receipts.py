"""`POST /agent/v1/receipts`: what a host signed about its orders; answered when it is committed."""

import json
from dataclasses import asdict
from typing import Any, cast

from apps.fleet.models import HostAgent
from apps.gateway.auth import RefusedError
from apps.response.services import receive_all
from hostagent.protocol import Signed

MOST_RECEIPTS = 200


def answer(agent: HostAgent, body: bytes) -> tuple[int, dict[str, Any]]:
    """200 when everything that can be taken is committed; 422 when nothing in the list could be."""
    given = signed_texts(body)
    taken = receive_all(agent, [(one["payload"], one["signature"]) for one in given])
    results = [asdict(one) for one in taken]
    if taken and all(one.result == "refused" for one in taken):
        return 422, {"error": "refused", "detail": taken[0].detail, "results": results}
    return 200, {"results": results}


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
    return cast(list[Signed], value)


def _signed(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("payload"), str)
        and isinstance(one.get("signature"), str)
        and len(one["signature"]) <= 96
    )
