"""An act is recorded in the transaction that does it, or the act fails."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit import chain
from apps.audit.actions import ACTIONS
from apps.audit.models import AuditEntry
from apps.core import requestid
from apps.core.locks import Lock, take
from apps.core.text import storable


@dataclass(frozen=True, slots=True)
class By:
    """Who acted, by name: the row may go, the name stays."""

    kind: str  # person | script | host | system
    name: str


SYSTEM = By("system", "Sentinel")


@dataclass(frozen=True, slots=True)
class Subject:
    """What was acted on."""

    kind: str
    id: str
    name: str


def record(action: str, *, by: By, subject: Subject, drill: bool = False, **detail: Any) -> AuditEntry:
    """The act is in the chain when the transaction around it commits.

    Raises ValueError for an unregistered action and RuntimeError outside of a transaction.
    """
    if action not in ACTIONS:
        raise ValueError(f"audit action {action!r} is not registered in apps/audit/actions.py")
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an audit entry belongs into the transaction of its act")
    take(Lock.AUDIT)
    last = AuditEntry.objects.order_by("-seq").values_list("seq", "hash").first() or (0, chain.GENESIS)
    entry = AuditEntry(
        seq=last[0] + 1,
        at=timezone.now(),
        action=action,
        by_kind=by.kind,
        by_name=storable(by.name, limit=150),
        subject_kind=subject.kind,
        subject_id=storable(subject.id, limit=64),
        subject_name=storable(subject.name, limit=200),
        drill=drill,
        request_id=requestid.current(),
        detail=_plain(detail),
        previous_hash=last[1],
    )
    entry.hash = chain.entry_hash(chain.covered(entry), last[1])
    entry.save(force_insert=True)
    return entry


def _plain(value: Any) -> Any:
    """`value` as JSON that comes back from the database exactly as it went in (no floats, no NUL)."""
    if isinstance(value, dict):
        return {storable(str(key), limit=64): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or (isinstance(value, bool | int) and abs(value) < 2**53):  # RFC 8785 ends there
        return value
    return chain.iso(value) if isinstance(value, datetime) else storable(str(value), limit=2000)
