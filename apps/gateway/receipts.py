"""`POST /agent/v1/receipts`: what a host signed about its orders; answered when it is committed."""

import json
import re
from dataclasses import asdict
from typing import Any, cast

from apps.drills.services import receive as receive_drill
from apps.fleet.models import HostAgent
from apps.gateway.auth import RefusedError
from apps.response.services import Taken, receive_all
from hostagent.protocol import Signed

MOST_RECEIPTS = 200
ABOUT_A_DRILL = re.compile(r'\s*\{\s*"order_id"\s*:\s*-')  # orders about runs are numbered from 1 on


def answer(agent: HostAgent, body: bytes) -> tuple[int, dict[str, Any]]:
    """200 when everything that can be taken is committed; 422 when nothing in the list could be."""
    given = signed_texts(body)
    taken = _taken(agent, [(one["payload"], one["signature"]) for one in given])
    results = [asdict(one) for one in taken]
    if taken and all(one.result == "refused" for one in taken):
        return 422, {"error": "refused", "detail": taken[0].detail, "results": results}
    return 200, {"results": results}


def _taken(agent: HostAgent, given: list[tuple[str, str]]) -> list[Taken]:
    """Receipts about runs in one transaction, as ever; those about drills each by itself, afterwards.

    Which is which is only a matter of who reads it: each reader believes nothing but the signature.
    """
    drills = {place for place, (text, _) in enumerate(given) if ABOUT_A_DRILL.match(text)}
    about_runs = iter(receive_all(agent, [one for place, one in enumerate(given) if place not in drills]))
    runs = {place: next(about_runs) for place in range(len(given)) if place not in drills}
    return [
        runs[place] if place in runs else Taken(*receive_drill(agent, *one))
        for place, one in enumerate(given)
    ]


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
