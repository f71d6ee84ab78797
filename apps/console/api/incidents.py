"""Incidents: the queue by keyset, one with its history, and what people wrote."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Query, Router, Schema, Status

from apps.accounts.roles import Right
from apps.console.api.bearer import VIA, Bearer, ScriptRequest, found
from apps.console.api.problems import ERRORS, Problem
from apps.console.api.shapes import PAGE, HostRef, Id, RunRef, Size
from apps.detection.choices import Level
from apps.incidents import services
from apps.incidents.models import Annotation, Incident, IncidentHost
from apps.incidents.selectors import queue, story

router = Router(tags=["incidents"], auth=Bearer(Right.VIEW))


class IncidentShape(Schema):
    """An incident. `state` is what time makes of `status`; `version` has to come back with a change."""

    id: int
    number: str
    title: str
    behaviour: str
    technique: str
    level: str
    status: str
    state: str
    owner: str | None
    run: RunRef | None
    drill: bool
    origin: str
    confidence: int
    judged: str
    judged_by: str
    judged_at: datetime | None
    alert_count: int
    first_alert_at: datetime
    last_alert_at: datetime
    opened_at: datetime
    changed_at: datetime
    taken_at: datetime | None
    closed_at: datetime | None
    verdict: str
    follows: int | None
    version: int

    @classmethod
    def of(cls, row: Incident, *, state: str) -> "IncidentShape":
        plain = {
            name: getattr(row, name)
            for name in (
                "number", "title", "behaviour", "technique", "level", "status", "drill", "origin",
                "confidence", "alert_count", "first_alert_at", "last_alert_at", "opened_at", "changed_at",
                "taken_at", "closed_at", "verdict", "version", "judged", "judged_by", "judged_at",
            )
        }  # fmt: skip
        owner = row.owner.username if row.owner else None
        return cls(
            id=row.pk, state=state, owner=owner, run=RunRef.of(row.run), follows=row.follows_id, **plain
        )


class IncidentPage(Schema):
    """Rows in the queue's order, and the cursor of those after them."""

    items: list[IncidentShape]
    next: str | None


class AnnotationShape(Schema):
    """What a person wrote."""

    id: int
    by: str
    text: str
    alert: int | None
    at: datetime

    @classmethod
    def of(cls, row: Annotation) -> "AnnotationShape":
        return cls(id=row.pk, by=row.by.username, text=row.text, alert=row.alert_id, at=row.at)


class ChangeShape(Schema):
    """What moved from where to where."""

    field: str
    before: str
    after: str
    by: str
    note: str
    at: datetime


class IncidentDetail(Schema):
    """An incident with its hosts, its history (newest first) and what people wrote."""

    incident: IncidentShape
    hosts: list[HostRef]
    changes: list[ChangeShape]
    annotations: list[AnnotationShape]


class Wanted(Schema):
    """What the list is narrowed to."""

    state: Literal["", "new", "escalating", "regressed", "taken", "closed"] = ""
    level: Annotated[Level | None, Query(description="this and worse")] = None
    owner: Annotated[str, Query(max_length=150, description="`me`, `none` or a username")] = ""
    run: Annotated[int | None, Query(ge=1, lt=2**63)] = None
    host: Annotated[int | None, Query(ge=1, lt=2**63)] = None
    behaviour: Annotated[str, Query(max_length=60)] = ""
    drill: Literal["", "only", "no"] = ""
    text: Annotated[str, Query(max_length=120)] = ""

    def filters(self) -> queue.Filters:
        """As the queue takes it."""
        return queue.Filters(**{**self.model_dump(), "level": self.level or ""})


class NewAnnotation(Schema):
    """A note to write."""

    text: Annotated[str, Query(max_length=services.TEXT_LIMIT)]


@router.get("", response={200: IncidentPage, **ERRORS})
def list_incidents(
    request: ScriptRequest, wanted: Query[Wanted], after: str = "", size: Size = PAGE
) -> IncidentPage:
    """Incidents in the queue's order; all open ones where no state is asked for."""
    page = queue.page(wanted.filters(), user=request.auth, after=after, size=size)
    items = [IncidentShape.of(row.incident, state=row.state) for row in page.rows]
    return IncidentPage(items=items, next=page.after or None)


@router.get("/{incident_id}", response={200: IncidentDetail, **ERRORS})
def get_incident(request: ScriptRequest, incident_id: Id) -> IncidentDetail:
    """One incident."""
    return detail_of(incident_of(incident_id))


@router.get("/{incident_id}/annotations", response={200: list[AnnotationShape], **ERRORS})
def list_annotations(request: ScriptRequest, incident_id: Id) -> list[AnnotationShape]:
    """What people wrote, newest first."""
    return [AnnotationShape.of(row) for row in story.annotations(incident_of(incident_id))]


@router.post(
    "/{incident_id}/annotations",
    response={201: AnnotationShape, **ERRORS},
    auth=Bearer(Right.TRIAGE),
)
def annotate(request: ScriptRequest, incident_id: Id, new: NewAnnotation) -> Status[AnnotationShape]:
    """Write a note."""
    try:
        row = services.annotate(incident_of(incident_id), text=new.text, by=request.auth, via=VIA)
    except ValueError as error:
        raise Problem(422, "invalid", str(error)) from error
    return Status(201, AnnotationShape.of(row))


def incident_of(pk: int) -> Incident:
    """The incident, or the 404."""
    return found(Incident.objects.select_related("run", "owner").filter(pk=pk).first())


def detail_of(row: Incident) -> IncidentDetail:
    """`row` with what lies around it."""
    hosts = IncidentHost.objects.filter(incident=row).select_related("host").order_by("host__name")
    return IncidentDetail(
        incident=IncidentShape.of(row, state=queue.states_of([row])[row.pk]),
        hosts=[HostRef.of(item.host) for item in hosts],
        changes=[ChangeShape.from_orm(change) for change in story.history(row)],
        annotations=[AnnotationShape.of(item) for item in story.annotations(row)],
    )
