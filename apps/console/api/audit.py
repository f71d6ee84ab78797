"""The audit trail: entries, the state of the chain, exports and the verifier."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Query, Router, Schema

from apps.accounts.roles import Right
from apps.audit import chain, checkpoints, export, notes, selectors, verify
from apps.audit.models import AuditEntry
from apps.audit.services import By
from apps.console.api.bearer import VIA, Bearer, ScriptRequest
from apps.console.api.problems import CONFLICT, ERRORS, Problem
from apps.console.api.shapes import MEDIA_TYPE, PAGE, Before, Size, next_of

router = Router(tags=["audit"], auth=Bearer(Right.AUDIT))
Name = Annotated[str, Query(max_length=150)]


class EntryShape(Schema):
    """One act, as it stands under its hash."""

    seq: int
    at: str
    action: str
    by_kind: str
    by_name: str
    subject_kind: str
    subject_id: str
    subject_name: str
    drill: bool
    request_id: str
    detail: dict[str, Any]
    previous_hash: str
    hash: str

    @classmethod
    def of(cls, row: AuditEntry) -> "EntryShape":
        return cls(**chain.covered(row), previous_hash=row.previous_hash, hash=row.hash)


class EntryPage(Schema):
    """Entries, newest first, and the cursor of those before them."""

    items: list[EntryShape]
    next: int | None


class ChainShape(Schema):
    """Where the chain ends, the last signed checkpoint (a note for a witness), and the key to check it by."""

    size: int
    head: str
    key: str
    checkpoint: str | None
    last_check: EntryShape | None


class CheckShape(Schema):
    """The result of one walk along the chain."""

    holds: bool
    size: int
    head: str
    took_ms: int
    broken_at: int | None
    reason: str


class Wanted(Schema):
    """Which stretch of the trail, and which entries of it in full."""

    form: Literal["jsonl", "csv"] = "jsonl"
    since: datetime | None = None
    until: datetime | None = None
    by: Name = ""
    action: Name = ""
    subject_kind: Name = ""
    subject_id: Name = ""


@router.get("/entries", response={200: EntryPage, **ERRORS})
def list_entries(
    request: ScriptRequest, by: Name = "", action: Name = "", before: Before = None, size: Size = PAGE
) -> EntryPage:
    """Entries, newest first."""
    rows = list(selectors.entries(by=by, action=action, before=before)[: size + 1])
    items = [EntryShape.of(row) for row in rows[:size]]
    return EntryPage(items=items, next=next_of([row.seq for row in rows], size))


@router.get("/chain", response={200: ChainShape, **ERRORS})
def get_chain(request: ScriptRequest) -> ChainShape:
    """The head of the chain, the last checkpoint and the last check."""
    size, head = selectors.head()
    seal, check = selectors.last_checkpoint(), selectors.last_check()
    return ChainShape(
        size=size,
        head=head,
        key=notes.verifier_key(),
        checkpoint=seal.note if seal else None,
        last_check=EntryShape.of(check) if check else None,
    )


@router.post("/checks", response={200: CheckShape, **ERRORS})
def check_chain(request: ScriptRequest) -> CheckShape:
    """Walk the whole chain; the result is recorded, too."""
    state = checkpoints.check(by=By(VIA, request.auth.username))
    names = [name for name in CheckShape.model_fields if name != "holds"]
    return CheckShape(holds=state.holds, **{name: getattr(state, name) for name in names})


@router.post(
    "/checkpoints",
    response={201: str, **CONFLICT},
    auth=Bearer(Right.EXPORT),
    openapi_extra={MEDIA_TYPE: "text/plain"},
)
def sign_checkpoint(request: ScriptRequest) -> HttpResponse:
    """Sign a checkpoint over the head, as a note to be kept elsewhere."""
    try:
        seal = checkpoints.sign(by=By(VIA, request.auth.username))
    except checkpoints.ChainBroken as error:
        raise Problem(409, "chain_broken", str(error)) from error
    return HttpResponse(seal.note if seal else "", status=201, content_type="text/plain; charset=utf-8")


@router.get(
    "/export",
    response={200: str, **ERRORS},
    auth=Bearer(Right.EXPORT),
    openapi_extra={MEDIA_TYPE: "application/jsonl"},
)
def export_trail(request: ScriptRequest, wanted: Query[Wanted]) -> StreamingHttpResponse:
    """A stretch of the trail as a file that `verify.py` checks. The export itself is recorded in it."""
    selection = export.Selection(
        by=wanted.by, action=wanted.action, subject_kind=wanted.subject_kind, subject_id=wanted.subject_id
    )
    by = By(VIA, request.auth.username)
    try:
        made = export.begin(
            by=by, form=wanted.form, selection=selection, since=wanted.since, until=wanted.until
        )
    except export.NothingToExport as error:
        raise Problem(404, "nothing_there", str(error)) from error
    return StreamingHttpResponse(
        export.stream(made),
        content_type=made.content_type,
        headers={"Content-Disposition": f'attachment; filename="{made.filename}"'},
    )


@router.get("/verify.py", response={200: str, **ERRORS}, openapi_extra={MEDIA_TYPE: "text/x-python"})
def get_verifier(request: ScriptRequest) -> HttpResponse:
    """The stand-alone verifier: one file that needs Python and nothing else."""
    return HttpResponse(Path(verify.__file__).read_bytes(), content_type="text/x-python; charset=utf-8")
