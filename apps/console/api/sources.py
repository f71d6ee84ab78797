"""Alert sources: sensors of other products that may send their alerts."""

from datetime import datetime
from typing import Annotated

from ninja import Field, Router, Schema, Status

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.api.bearer import VIA, Bearer, ScriptRequest, found
from apps.console.api.problems import CONFLICT, ERRORS, Problem
from apps.console.api.shapes import PAGE, Before, Id, Size, next_of
from apps.fleet.choices import AlertFormat
from apps.fleet.models import AlertSource
from apps.fleet.sources import make_source, revoke_source

router = Router(tags=["sources"], auth=Bearer(Right.VIEW))


class SourceShape(Schema):
    """An alert source. Its token is not among what is kept."""

    id: int
    name: str
    format: str
    made_by: str
    made_at: datetime
    last_seen_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: AlertSource) -> "SourceShape":
        return cls(id=row.pk, **{name: getattr(row, name) for name in cls.model_fields if name != "id"})


class SourcePage(Schema):
    """Alert sources, newest first, and the cursor of those before them."""

    items: list[SourceShape]
    next: int | None


class NewSource(Schema):
    """A sensor, and the format in which it tells its alerts."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    format: AlertFormat


class MadeSource(Schema):
    """The source with its token, which is shown here and never again, and where its alerts go."""

    source: SourceShape
    token: str
    path: str


@router.get("", response={200: SourcePage, **ERRORS})
def list_sources(request: ScriptRequest, before: Before = None, size: Size = PAGE) -> SourcePage:
    """Alert sources, newest first, revoked ones too."""
    rows = AlertSource.objects.order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    sources = list(rows[: size + 1])
    items = [SourceShape.of(row) for row in sources[:size]]
    return SourcePage(items=items, next=next_of([row.pk for row in sources], size))


@router.post("", response={201: MadeSource, **ERRORS}, auth=Bearer(Right.ENROL))
def make_alert_source(request: ScriptRequest, wanted: NewSource) -> Status[MadeSource]:
    """Make a token with which one sensor can send its alerts."""
    by = By(VIA, request.auth.username)
    try:
        source, text = make_source(name=wanted.name, form=wanted.format, by=by)
    except ValueError as error:
        raise Problem(422, "invalid", str(error)) from None
    made = MadeSource(source=SourceShape.of(source), token=text, path=f"/v1/alerts/{source.format}")
    return Status(201, made)


@router.post("/{source_id}/revoke", response={200: SourceShape, **CONFLICT}, auth=Bearer(Right.ENROL))
def revoke_alert_source(request: ScriptRequest, source_id: Id) -> SourceShape:
    """Its token opens nothing any more."""
    source = found(AlertSource.objects.filter(pk=source_id).first())
    if not revoke_source(source, by=By(VIA, request.auth.username)):
        raise Problem(409, "lost", "This source was revoked before.")
    source.refresh_from_db()
    return SourceShape.of(source)
