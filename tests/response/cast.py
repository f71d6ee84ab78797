"""A small cast: an operator, a host with a key, and a run that stands on it."""

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.core.keys import b64
from apps.fleet.models import Host, HostAgent, Placement, TrainingRun
from apps.response.choices import PROBES
from apps.response.models import ContainmentOrder, OrderTarget
from apps.response.services import issue, preview
from hostagent import protocol


@dataclass
class Machine:
    """A host whose agent signs with a real key."""

    host: Host
    agent: HostAgent
    key: Ed25519PrivateKey = field(repr=False)

    def signed(self, payload: dict[str, Any] | str) -> tuple[str, str]:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        return text, b64(self.key.sign(protocol.receipt_bytes(text)))

    def receipt(self, target: OrderTarget, stage: str, seq: int = 0, **changed: Any) -> tuple[str, str]:
        return self.signed(said(target, stage, seq, **changed))

    def headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        fresh, nonce = time.time_ns() // 1_000_000, secrets.token_urlsafe(12)
        signed = protocol.request_bytes(
            method, path, str(self.agent.uuid), protocol.freshness(fresh, nonce), body
        )
        return {
            protocol.HEADER_AGENT: str(self.agent.uuid),
            protocol.HEADER_TIME: str(fresh),
            protocol.HEADER_NONCE: nonce,
            protocol.HEADER_SIGNATURE: b64(self.key.sign(signed)),
        }


def machine(name: str = "gpu-a12-01") -> Machine:
    key = Ed25519PrivateKey.generate()
    host = Host.objects.create(name=name, machine_id=uuid.uuid4().hex)
    agent = HostAgent.objects.create(
        uuid=uuid.uuid4(),
        host=host,
        public_key=key.public_key().public_bytes_raw(),
        version="1",
        last_seen_at=timezone.now(),
    )
    return Machine(host, agent, key)


def person(role: str = Role.OPERATOR, name: str = "ana") -> User:
    user = User(username=name, role=role)
    user.set_unusable_password()
    user.save()
    return user


def run(*machines: Machine, name: str = "kestrel-32b", **more: Any) -> TrainingRun:
    training = TrainingRun.objects.create(
        name=name, marker=f"{name}-marker", started_at=timezone.now() - timedelta(hours=1), **more
    )
    for one in machines:
        place(training, one)
    return training


def place(training: TrainingRun, one: Machine) -> Placement:
    return Placement.objects.create(
        run=training,
        host=one.host,
        cgroup=f"/sentinel/{training.name}",
        root_pid=4242,
        root_start_ticks=99,
        started_at=timezone.now(),
    )


def order(training: TrainingRun, by: User, action: str = "KILL", **changed: Any) -> ContainmentOrder:
    words = {
        "action": action,
        "by": by,
        "reason": "tunnel out",
        "typed_name": training.name,
        "parameters_digest": preview(training).digest,
        "idempotency_key": secrets.token_hex(16),
    }
    return issue(training, **(words | changed))


def said(target: OrderTarget, stage: str, seq: int = 0, **changed: Any) -> dict[str, Any]:
    """The payload of a receipt as a host agent writes it."""
    dead = {name: {"ok": True, "detail": "clear"} for name in PROBES}
    payload = {
        "order_id": target.pk,
        "nonce": target.nonce,
        "seq": seq,
        "stage": stage,
        "at_ms": time.time_ns() // 1_000_000,
        "mono_ms": 1.5 + seq,
        "took": {},
        "method": "cgroup.kill",
        "probes": dead if stage == "VERIFIED" else {},
        "processes_before": 3,
        "processes_after": 0 if stage == "VERIFIED" else None,
        "survivors": [],
        "evidence": None,
        "evidence_sha256": None,
        "detail": "",
    }
    return payload | changed
