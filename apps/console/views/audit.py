"""The trail: entry by entry, whether the chain holds, and its export."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from apps.accounts.roles import Right
from apps.audit import checkpoints, export, notes, rights, selectors, verify
from apps.audit.actions import ACTIONS
from apps.audit.models import AuditEntry, Checkpoint
from apps.audit.services import By
from apps.console.access import Signed, page
from apps.console.context import feed_cursor
from apps.fleet.models import Host, TrainingRun

PAGE = 50
FIELDS = ("actor", "action", "subject", "from", "to")
GLYPHS = {
    "session": "key",
    "person": "operator",
    "token": "key",
    "enrolment": "plus",
    "host": "fleet",
    "run": "runs",
    "incident": "triage",
    "order": "orders",
    "receipt": "seal",
    "batch": "file",
    "drill": "flow",
    "audit": "audit",
    "checkpoint": "seal",
}
LAMPS = {
    "session.failed": "late",
    "host.cloned": "bad",
    "order.unreachable": "bad",
    "receipt.refused": "bad",
    "batch.refused": "late",
    "receipt.received": "ok",
    "checkpoint.signed": "ok",
}
_NUMBER = re.compile(r"(INC|CO)-0*(\d{1,18})", re.IGNORECASE)
NOWHERE = ("none", "")


@page(Right.AUDIT)
def audit_page(request: Signed) -> HttpResponse:
    """Entries, newest first, by keyset."""
    asked = {name: request.GET.get(name, "").replace("\x00", "").strip()[:120] for name in FIELDS}
    before = _number(request.GET.get("before", ""))
    found = list(_filtered(asked, before)[: PAGE + 1])
    rows = found[:PAGE]
    chain = _chain()
    older = {**asked, "before": str(rows[-1].seq)} if len(found) > PAGE else {}
    context = {
        "section": "audit",
        "cursor": feed_cursor(),
        "chain": chain,
        "filters": asked,
        "actions": sorted(ACTIONS.items(), key=lambda item: item[1]),
        "entries": _lines(rows, whole=not any(asked.values())),
        "shown": len(rows),
        "total": chain["size"],
        "newer_url": _url(asked) if before else None,
        "older_url": _url(older) if older else None,
    }
    return render(request, "console/audit/page.html", context)


@page(Right.AUDIT, methods=("POST",))
def audit_check(request: Signed) -> HttpResponse:
    """Every link is computed anew, now; the check itself is in the trail."""
    checkpoints.check(by=By("person", request.user.username))
    answer = render(request, "console/audit/_chain.html", {"chain": _chain()})
    answer["HX-Refresh"] = "true"  # the list, the size and the head have grown with it
    return answer


@page(Right.EXPORT)
def audit_export(request: Signed) -> HttpResponseBase:
    """A file that can be checked without this server."""
    kind, pk = _subject(request.GET.get("subject", "").strip())
    try:
        made = export.begin(
            by=By("person", request.user.username),
            form=request.GET.get("form", ""),
            selection=export.Selection(subject_kind=kind, subject_id=pk),
            since=_moment(request.GET.get("from", "")),
            until=_moment(request.GET.get("to", "")),
        )
    except (ValueError, export.NothingToExport) as error:
        return HttpResponse(f"Nothing exported: {error}.", status=422, content_type="text/plain")
    pieces = export.stream(made) if isinstance(request, ASGIRequest) else export.chunks(made)
    answer = StreamingHttpResponse(pieces, content_type=made.content_type)
    answer["Content-Disposition"] = f'attachment; filename="{made.filename}"'
    return answer


@page(Right.AUDIT)
def audit_verifier(request: Signed) -> HttpResponse:
    """The stand-alone verifier: one file that needs Python and nothing else."""
    answer = HttpResponse(Path(verify.__file__).read_bytes(), content_type="text/x-python; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="verify.py"'
    return answer


def _filtered(asked: dict[str, str], before: int | None) -> QuerySet[AuditEntry]:
    rows = selectors.entries(
        by=asked["actor"],
        action=asked["action"],
        subject=_subject(asked["subject"]) if asked["subject"] else None,
        before=before,
    )
    if since := _moment(asked["from"]):
        rows = rows.filter(at__gte=since)
    if until := _moment(asked["to"]):
        rows = rows.filter(at__lte=until)
    return rows


def _lines(rows: list[AuditEntry], *, whole: bool) -> list[dict[str, Any]]:
    """Entries, with the checkpoints that were signed between them where nothing is left out."""
    seals = {}
    if rows and whole:
        between = Checkpoint.objects.filter(size__gte=rows[-1].seq, size__lte=rows[0].seq)
        seals = {row.size: row for row in between}
    lines: list[dict[str, Any]] = []
    for row in rows:
        if row.seq in seals:
            lines.append({"seal": seals[row.seq]})
        lines.append(
            {
                "entry": row,
                "says": ACTIONS.get(row.action, row.action),
                "glyph": GLYPHS.get(row.action.split(".")[0], "audit"),
                "lamp": LAMPS.get(row.action, ""),
                "is_host": row.by_kind == "host",
            }
        )
    return lines


def _chain() -> dict[str, Any]:
    """What the last check found, and how far the chain has grown since."""
    size, head = selectors.head()
    seal, check = selectors.last_checkpoint(), selectors.last_check()
    told = check.detail if check else {}
    holds = told.get("holds")
    reason = str(told.get("reason", ""))
    hashes = re.findall(r"\b[0-9a-f]{64}\b", reason)
    return {
        "state": "unknown" if check is None else "intact" if holds else "broken",
        "size": told.get("size", size) if holds else size,
        "head": head,
        "key": notes.verifier_key(),
        "rights": rights.of_this_role(),
        "checkpoint": seal,
        "since_checkpoint": size - (seal.size if seal else 0),
        "checked_at": check.at if check else None,
        "took_ms": told.get("took_ms"),
        "broken_at": None if holds or check is None else told.get("size", 0) + 1,
        "expected": hashes[0] if hashes else "",
        "found": hashes[1] if len(hashes) > 1 else "",
    }


def _subject(text: str) -> tuple[str, str]:
    """The kind and id of what a person named; a kind that nothing has, where it is not known."""
    if not text:
        return "", ""
    if number := _NUMBER.fullmatch(text):
        return "incident" if number[1].upper() == "INC" else "order", str(int(number[2]))
    if run := TrainingRun.objects.filter(name=text).order_by("-pk").first():
        return "run", str(run.pk)
    host = Host.objects.filter(name=text).first()
    return ("host", str(host.pk)) if host else NOWHERE


def _moment(text: str) -> datetime | None:
    """`2026-11-23 13:00`, in UTC; anything else is no bound."""
    try:
        found = parse_datetime(text.strip()) or (parse_datetime(f"{text.strip()} 00:00") if text else None)
    except ValueError:
        return None
    if found is None:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _url(asked: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in asked.items() if value})
    return reverse("audit") + (f"?{query}" if query else "")
