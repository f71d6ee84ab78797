"""A host that reports, a person who may, and receipts as the host would sign them."""

import json
import time
from typing import Any

from apps.accounts.models import User
from apps.drills.models import Drill
from apps.drills.services import ask
from tests.response.cast import Machine, person


def asked(machine: Machine, by: User | None = None, **more: Any) -> Drill:
    """A drill that somebody asked for."""
    return ask(machine.host, name="rome", by=by or person(), **more)


def said(drill: Drill, stage: str, seq: int = 0, /, **changed: Any) -> str:
    """The payload of a receipt as a host agent writes it."""
    payload = {
        "order_id": -drill.pk, "nonce": drill.nonce, "seq": seq, "stage": stage,
        "at_ms": time.time_ns() // 1_000_000, "mono_ms": 1.5, "took": {}, "method": None, "probes": {},
        "processes_before": None, "processes_after": None, "survivors": [], "evidence": None,
        "evidence_sha256": None, "detail": "",
    }  # fmt: skip
    return json.dumps(payload | changed, separators=(",", ":"))
