"""`GET /agent/v1/orders`: the signed orders that wait for the host agent that asks."""

from typing import Any

from apps.drills import selectors as drills
from apps.fleet.models import HostAgent
from apps.response import selectors


def answer(agent: HostAgent, body: bytes) -> tuple[int, dict[str, Any]]:
    """Exact texts with their signatures. Asking changes nothing: only a receipt says that one arrived.

    A drill is looked for where no order waits: it must not cost a stop as much as a question.
    """
    found = selectors.pending(agent) or drills.pending(agent)
    return 200, {"orders": [{"payload": one.payload, "signature": one.signature} for one in found]}
