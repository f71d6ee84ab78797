"""Who sent this: the signed headers of a host agent, checked for the hot door, the views and the bell."""

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.http import HttpRequest

from apps.core.keys import verified
from apps.fleet import selectors
from apps.fleet.choices import AgentState
from apps.fleet.models import HostAgent
from hostagent import protocol

# A host whose clock is further off is told the server's time with the refusal, and signs again with it.
WINDOW_MS = 300_000
MOST_NONCES = 200_000
LARGEST = 2**63 - 1


class RefusedError(Exception):
    """The request changes nothing. `status` and `code` are for the agent, `detail` for its log."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after

    def body(self) -> dict[str, object]:
        """The answer as JSON; the server's time lets an agent with a wrong clock mend its next try."""
        return {"error": self.code, "detail": self.detail, "server_time_ms": time.time_ns() // 1_000_000}


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers say, not yet believed. `sequence` is 0 where a time and a nonce stand instead."""

    agent: uuid.UUID
    fresh: str
    signature: str
    sequence: int = 0
    time_ms: int = 0
    nonce: str = ""


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI headers as a mapping by lower-case name."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def claim_of(headers: Mapping[str, str], *, numbered: bool) -> Claim:
    """The claim in `headers`. Raises RefusedError where one is missing or makes no sense."""
    signature = headers.get(protocol.HEADER_SIGNATURE.lower(), "")
    if not signature:
        raise RefusedError(401, "unsigned", "The request carries no Sentinel-Signature.")
    try:
        agent = uuid.UUID(headers.get(protocol.HEADER_AGENT.lower(), ""))
    except ValueError:
        raise RefusedError(401, "unknown-agent", "Sentinel-Agent is not the id of a host agent.") from None
    if numbered:
        sequence = _whole(headers, protocol.HEADER_SEQUENCE)
        return Claim(agent, str(sequence), signature, sequence=sequence)
    time_ms = _whole(headers, protocol.HEADER_TIME)
    nonce = headers.get(protocol.HEADER_NONCE.lower(), "")
    if not 8 <= len(nonce) <= 64 or not nonce.isascii():
        raise RefusedError(400, "bad-nonce", "Sentinel-Nonce has to be 8 to 64 ASCII characters.")
    return Claim(agent, protocol.freshness(time_ms, nonce), signature, time_ms=time_ms, nonce=nonce)


def check_signature(claim: Claim, public_key: bytes, *, method: str, path: str, body: bytes) -> None:
    """The holder of `public_key` signed exactly this request, or RefusedError."""
    message = protocol.request_bytes(method, path, str(claim.agent), claim.fresh, body)
    if not verified(public_key, claim.signature, message):
        raise RefusedError(401, "bad-signature", "The signature does not fit the request and the key.")


def check_state(state: str) -> None:
    """An agent in `state` may speak, or RefusedError."""
    if state == AgentState.REVOKED:
        raise RefusedError(403, "revoked", "This host agent was revoked; enrol it again with a new token.")
    if state == AgentState.CLONE:
        raise RefusedError(
            403, "clone", "Another host agent speaks for this machine; a person has to decide which one."
        )


def agent_of(*, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HostAgent:
    """The active host agent that signed this request just now and for the first time, or RefusedError."""
    claim = claim_of(headers, numbered=False)
    agent = selectors.agent_by_uuid(claim.agent)
    if agent is None:
        raise RefusedError(401, "unknown-agent", "No host agent with this id is enrolled here.")
    check_signature(claim, bytes(agent.public_key), method=method, path=path, body=body)
    check_state(agent.state)
    if abs(time.time_ns() // 1_000_000 - claim.time_ms) > WINDOW_MS:
        raise RefusedError(401, "stale", "Sentinel-Time is more than five minutes from the server's clock.")
    if not _once(f"{claim.agent}.{claim.nonce}"):
        raise RefusedError(401, "replayed", "This nonce was used before.")
    return agent


def signed_agent(request: HttpRequest) -> HostAgent:
    """`agent_of` for a Django request."""
    return agent_of(
        method=request.method or "", path=request.path, headers=request.headers, body=request.body
    )


def _whole(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name.lower(), "")
    if not (value.isascii() and value.isdecimal()) or len(value) > 19 or not 0 < int(value) <= LARGEST:
        raise RefusedError(400, "bad-header", f"{name} has to be a whole number above zero.")
    if value != str(int(value)):
        raise RefusedError(400, "bad-header", f"{name} has to be written without leading zeros.")
    return int(value)


# One web process serves all agents, so its memory is enough. Only true signatures get in here.
_seen: "OrderedDict[str, float]" = OrderedDict()
_guard = threading.Lock()


def _once(key: str) -> bool:
    """Whether `key` was not seen within twice the window; it counts as seen from now on."""
    now = time.monotonic()
    with _guard:
        while _seen and (
            next(iter(_seen.values())) < now - 2 * WINDOW_MS / 1000 or len(_seen) >= MOST_NONCES
        ):
            _seen.popitem(last=False)
        if key in _seen:
            return False
        _seen[key] = now
    return True
