"""A host agent as the gateway meets it: a key, a numbering, and records to send."""

import gzip
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.audit.services import SYSTEM
from apps.core.keys import b64
from apps.fleet.models import HostAgent
from apps.fleet.services import Application, enrol, offer_enrolment
from apps.gateway.door import Door
from hostagent import protocol

_numbers = itertools.count(1)


@dataclass
class Machine:
    """One enrolled host agent."""

    agent: HostAgent
    key: Ed25519PrivateKey
    sequence: int = 0
    encode: Any = field(default=gzip.compress)
    encoding: str = "gzip"

    @classmethod
    def enrolled(cls, name: str = "") -> "Machine":
        """A host that enrolled just now."""
        number = next(_numbers)
        key = Ed25519PrivateKey.generate()
        application = Application(
            public_key=key.public_key().public_bytes_raw(),
            hostname=name or f"trainer-{number}",
            machine_id=f"machine-{number}-{time.time_ns()}",
            version="0.1.0",
        )
        return cls(enrol(offer_enrolment(SYSTEM), application), key)

    def headers(self, body: bytes, *, sequence: int | None = None, **other: str) -> dict[str, str]:
        """The signed headers of a batch."""
        number = sequence if sequence is not None else self.next()
        agent = str(self.agent.uuid)
        message = protocol.request_bytes("POST", protocol.PATH_BATCHES, agent, str(number), body)
        return {
            "Sentinel-Agent": agent,
            "Sentinel-Sequence": str(number),
            "Sentinel-Signature": b64(self.key.sign(message)),
            "Content-Encoding": self.encoding,
            **other,
        }

    def next(self) -> int:
        """The next number."""
        self.sequence += 1
        return self.sequence

    def body(self, records: list[dict[str, Any]]) -> bytes:
        """The records as they travel."""
        return self.encode(msgspec.json.encode(records))


@dataclass
class Answer:
    """What the door said."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


async def post(
    body: bytes, headers: dict[str, str], *, method: str = "POST", parts: int = 1, door: Door | None = None
) -> Answer:
    """One request through the hot door, as the ASGI server would hand it over."""
    size = max(1, -(-len(body) // parts))
    chunks = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": protocol.PATH_BATCHES,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await (door or Door(_nowhere))(scope, receive, send)
    given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], given, json.loads(sent[1]["body"]))


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(f"the door passed on {scope['path']}")
