"""Reading the trail: entries page by page, and whether the chain holds from its first entry to the head."""

import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from apps.audit import chain, notes, verify
from apps.audit.models import AuditEntry, Checkpoint

CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class ChainState:
    """The result of one check. `broken_at` and `reason` name the first broken link."""

    size: int  # entries found to hold, counted from the first
    head: str
    took_ms: int
    broken_at: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether every link holds and every signed checkpoint agrees."""
        return self.broken_at is None


def head() -> tuple[int, str]:
    """Number and hash of the last entry."""
    last = AuditEntry.objects.order_by("-seq").values_list("seq", "hash").first()
    return last or (0, chain.GENESIS)


def hash_at(seq: int) -> str:
    """The stored hash of entry `seq`; the chain's beginning for 0. Raises AuditEntry.DoesNotExist."""
    return AuditEntry.objects.values_list("hash", flat=True).get(seq=seq) if seq else chain.GENESIS


def last_checkpoint() -> Checkpoint | None:
    """The newest signed statement about the chain."""
    return Checkpoint.objects.order_by("-size").first()


def last_check() -> AuditEntry | None:
    """The entry of the last check: its detail says whether the chain held, up to where, in what time."""
    return AuditEntry.objects.filter(action="audit.checked").order_by("-seq").first()


def entries(
    *, by: str = "", action: str = "", subject: tuple[str, str] | None = None, before: int | None = None
) -> QuerySet[AuditEntry]:
    """Entries that fit, newest first; `before` is the number of the last one already seen."""
    rows = AuditEntry.objects.order_by("-seq")
    if by:
        rows = rows.filter(by_name=by)
    if action:
        rows = rows.filter(action=action)
    if subject:
        rows = rows.filter(subject_kind=subject[0], subject_id=subject[1])
    return rows.filter(seq__lt=before) if before is not None else rows


def in_order(first: int, last: int) -> Iterator[list[AuditEntry]]:
    """Entries `first` to `last`, oldest first, `CHUNK` at a time."""
    at = first - 1
    while rows := list(AuditEntry.objects.filter(seq__gt=at, seq__lte=last).order_by("seq")[:CHUNK]):
        yield rows
        at = rows[-1].seq


def check_chain(*, after: Checkpoint | None = None, last: int | None = None) -> ChainState:
    """Walk the chain from its first entry (or from `after`, taken as good) to `last`, or the head it has now.

    Every link is computed anew, and every signed checkpoint has to agree with the entry it names: an
    entry that was changed, removed, added or moved is named, and so is a tail that was cut.
    """
    began = time.monotonic()
    at, previous = (after.size, after.head) if after else (0, chain.GENESIS)
    broken: tuple[int, str] | None = None
    end = head()[0] if last is None else last
    seals = {row.size: row for row in Checkpoint.objects.filter(size__gte=at)}
    if reason := _seal_reason(seals.pop(at, None), previous):
        broken = (at, reason)
    for rows in in_order(at + 1, end) if broken is None else ():
        for row in rows:
            reason = _link_reason(row, at, previous) or _seal_reason(seals.pop(row.seq, None), row.hash)
            if reason:
                broken = (at + 1, reason)
                break
            at, previous = row.seq, row.hash
        if broken:
            break
    beyond = min((size for size in seals if size > at), default=None)
    if broken is None and last is None and beyond and not AuditEntry.objects.filter(seq__gt=at).exists():
        broken = (
            at + 1,
            f"the chain ends at {at}, but a checkpoint was signed over {beyond}: its tail was cut",
        )
    took = int((time.monotonic() - began) * 1000)
    return ChainState(at, previous, took, *(broken or (None, "")))


def _link_reason(row: AuditEntry, at: int, previous: str) -> str:
    if row.seq != at + 1:
        return f"entry {at + 1} is missing: {at} is followed by {row.seq}"
    if row.previous_hash != previous:
        return f"entry {row.seq} does not follow {at}: expected {previous}, found {row.previous_hash}"
    # By the verifier's lines and not by those that wrote the entry: whoever checks later gets the same.
    expected = verify.following(previous, chain.covered(row))
    return (
        "" if expected == row.hash else f"entry {row.seq} was changed: expected {expected}, found {row.hash}"
    )


def _seal_reason(seal: Checkpoint | None, found: str) -> str:
    if seal is None:
        return ""
    try:
        origin, size, signed_head = verify.opened(seal.note, notes.verifier_key())
    except ValueError:
        return f"the checkpoint over {seal.size} is not signed by this server's audit key"
    if (origin, size) != (notes.origin(), str(seal.size)) or b64decode(signed_head).hex() != found:
        return f"entry {seal.size} is not the one that the checkpoint over it was signed for"
    return ""
