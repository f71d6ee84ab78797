"""The exact text of an order, and who signed what."""

import json
from typing import Any

from apps.core.keys import sign, verified
from apps.fleet.models import HostAgent

# The first line of what is signed: a signature for one purpose is void for every other. Written here and in
# hostagent/protocol.py, which this room does not read; a test holds the two together.
ORDER = b"sentinel-order/v1\n"
RECEIPT = b"sentinel-receipt/v1\n"


def canonical(value: dict[str, Any]) -> str:
    """JSON in one spelling: it is signed, stored and delivered as this very text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sign_order(payload: str) -> str:
    """This server's signature under an order."""
    return sign("server", ORDER + payload.encode())


def signed_by(agent: HostAgent, payload: str, signature: str) -> bool:
    """Whether the host agent's key made this signature over a receipt."""
    try:
        message = RECEIPT + payload.encode()
    except UnicodeEncodeError:  # half a character, which no host can have signed
        return False
    return verified(bytes(agent.public_key), signature, message)
