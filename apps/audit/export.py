"""Exports: a stretch of the trail as JSON lines or CSV, checkable by `verify.py` without the server.

A file begins with a signed statement of what it holds, carries every checkpoint on its way and ends with one.
Entries outside a selection stand as their digests, so that nothing can be left out unseen.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from apps.audit import chain, checkpoints, notes, selectors, verify
from apps.audit.models import AuditEntry, Checkpoint
from apps.audit.services import By, Subject, record

FORMS = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}


class NothingToExport(Exception):
    """No entry lies in the wanted stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries of the stretch are given in full; without any wish, all of them."""

    by: str = ""
    action: str = ""
    subject_kind: str = ""
    subject_id: str = ""

    def takes(self, entry: AuditEntry) -> bool:
        """Whether `entry` is given in full."""
        wishes = asdict(self) | {"by_name": self.by}
        del wishes["by"]
        return all(not wish or getattr(entry, name) == wish for name, wish in wishes.items())

    def __str__(self) -> str:
        return ", ".join(f"{name} {wish}" for name, wish in asdict(self).items() if wish) or "all"


@dataclass(frozen=True, slots=True)
class Export:
    """One export, recorded in the trail; its content is read while it is sent."""

    form: str
    first: int
    last: int
    selection: Selection
    statement: str

    @property
    def filename(self) -> str:
        """A name made of numbers alone."""
        return f"sentinel-audit-{self.first}-{self.last}.{self.form}"

    @property
    def content_type(self) -> str:
        """The media type of its form."""
        return FORMS[self.form]


def begin(
    *,
    by: By,
    form: str,
    selection: Selection | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Export:
    """The export is recorded and a checkpoint signed over its last entry; `chunks` gives its content.

    Without `until` it runs to its own entry. Raises ValueError for an unknown form and NothingToExport for
    an empty stretch. A broken chain is exported as it is, without the checkpoint: it is evidence, too.
    """
    if form not in FORMS:
        raise ValueError(f"the form has to be one of {', '.join(FORMS)}")
    wanted = selection or Selection()
    first, last = _stretch(since, until)
    with transaction.atomic():
        act = record(
            "audit.exported",
            by=by,
            subject=Subject("audit", "", "audit trail"),
            form=form,
            first=first,
            last=last,
            selection=str(wanted),
        )
    end = act.seq if last is None else last
    try:
        checkpoints.sign(size=end, by=by)
    except checkpoints.ChainBroken as error:
        broken = str(error)
    else:
        broken = ""
    told = {
        "format": verify.FORMAT,
        "first": first,
        "last": end,
        "previous": _before(first),
        "selection": str(wanted),
        "by": by.name,
        "at": chain.iso(timezone.now()),
        "broken": broken,
    }
    statement = notes.signed(f"{notes.origin()}/export\n{verify.canonical(told).decode()}\n")
    return Export(form, first, end, wanted, statement)


def _stretch(since: datetime | None, until: datetime | None) -> tuple[int, int | None]:
    rows = AuditEntry.objects.filter(at__gte=since) if since else AuditEntry.objects.all()
    rows = rows.filter(at__lte=until) if until else rows
    found = rows.aggregate(first=Min("seq"), last=Max("seq"))
    if found["first"] is None and (since or until):
        raise NothingToExport("no entry lies between these times")
    # From 1 and not from the first row there is: a trail whose beginning is gone must not look whole.
    return found["first"] if since else 1, found["last"] if until else None


def _before(first: int) -> str:
    if first == 1:
        return chain.GENESIS
    return AuditEntry.objects.values_list("previous_hash", flat=True).get(seq=first)


def chunks(export: Export) -> Iterator[bytes]:
    """The content of `export`, in pieces of at most `selectors.CHUNK` entries."""
    write = _csv if export.form == "csv" else _jsonl
    if export.form == "csv":
        yield _csv_line(verify.COLUMNS).encode()
    yield write({"start": {"statement": export.statement, "key": notes.verifier_key()}}).encode()
    notes_at = dict(
        Checkpoint.objects.filter(size__gte=export.first, size__lte=export.last).values_list("size", "note")
    )
    for rows in selectors.in_order(export.first, export.last):
        piece = []
        for row in rows:
            piece.append(write(_record(row, full=export.selection.takes(row))))
            if row.seq in notes_at:
                piece.append(write({"checkpoint": notes_at[row.seq]}))
        yield "".join(piece).encode()


async def stream(export: Export) -> AsyncIterator[bytes]:
    """`chunks` for an ASGI answer: each piece is read in a thread, when the one before was sent."""
    pieces = chunks(export)
    while (piece := await sync_to_async(lambda: next(pieces, None))()) is not None:
        yield piece


def _record(row: AuditEntry, *, full: bool) -> dict[str, Any]:
    if full:
        return {**chain.covered(row), "previous_hash": row.previous_hash, "hash": row.hash}
    return {"seq": row.seq, "withheld": chain.digest(chain.covered(row))}


def _jsonl(item: dict[str, Any]) -> str:
    # ASCII alone: a control or direction character in a hostile text is written out, not obeyed.
    return json.dumps(item, separators=(",", ":")) + "\n"


def _csv(item: dict[str, Any]) -> str:
    if "hash" not in item:
        seq = item.get("seq", "")
        kind = next(name for name in item if name != "seq")
        item = {"seq": seq, "action": f"#{kind}", "detail": item[kind]}
    cells = {**dict.fromkeys(verify.COLUMNS, ""), **item, "detail": json.dumps(item["detail"])}
    if "drill" in item:
        cells["drill"] = "true" if item["drill"] else "false"
    return _csv_line([_guarded(str(cells[name])) for name in verify.COLUMNS])


def _guarded(text: str) -> str:
    """A cell that a spreadsheet takes for text and never for a formula."""
    return f"'{text}" if text.startswith(verify.GUARDED) else text


def _csv_line(cells: tuple[str, ...] | list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
