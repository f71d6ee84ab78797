"""Checkpoints: "the chain has this many entries and ends in this hash", signed, to be kept off the box.

C2SP tlog-checkpoint form. The third line holds the head of the hash chain where a Merkle tree would have its
root: a witness can compare heads by size, but cannot ask for a Merkle consistency proof.
"""

from base64 import b64encode

from django.db import transaction

from apps.audit import notes, selectors
from apps.audit.models import AuditEntry, Checkpoint
from apps.audit.services import SYSTEM, By, Subject, record


class ChainBroken(Exception):
    """The chain does not hold, so nothing is signed over it."""


def body(size: int, head: str) -> str:
    """The text under the signature."""
    return f"{notes.origin()}\n{size}\n{b64encode(bytes.fromhex(head)).decode()}\n"


def sign(*, size: int | None = None, by: By = SYSTEM) -> Checkpoint | None:
    """A checkpoint stands over the first `size` entries (all there are without it).

    The stretch since the checkpoint before is checked first. None when there is no entry yet.
    Raises ChainBroken, naming the place.
    """
    wanted = size or selectors.head()[0]
    if not wanted:
        return None
    if there := Checkpoint.objects.filter(size=wanted).first():
        return there
    before = Checkpoint.objects.filter(size__lt=wanted).order_by("-size").first()
    state = selectors.check_chain(after=before, last=wanted)
    if state.size != wanted:
        raise ChainBroken(state.reason or f"the chain ends at {state.size}")
    with transaction.atomic():
        seal, made = Checkpoint.objects.get_or_create(
            size=wanted, defaults={"head": state.head, "note": notes.signed(body(wanted, state.head))}
        )
        if made:
            record(
                "checkpoint.signed",
                by=by,
                subject=Subject("checkpoint", str(wanted), f"checkpoint over {wanted}"),
                size=wanted,
                head=state.head,
                key=notes.key_id(),
            )
    return seal


def sign_if_grown() -> Checkpoint | None:
    """Sign what came since the last checkpoint; None when that is its own entry and nothing else."""
    last = selectors.last_checkpoint()
    new = AuditEntry.objects.filter(seq__gt=last.size if last else 0).exclude(action="checkpoint.signed")
    return sign() if new.exists() else None


def check(*, by: By) -> selectors.ChainState:
    """The whole chain was walked, and the trail says by whom and with what result."""
    state = selectors.check_chain()
    with transaction.atomic():
        record(
            "audit.checked",
            by=by,
            subject=Subject("audit", "", "audit trail"),
            holds=state.holds,
            size=state.size,
            took_ms=state.took_ms,
            reason=state.reason,
        )
    return state
