"""Changes of an incident: compared with the version that the script saw, or 409 with who was first."""

from collections.abc import Callable
from typing import Annotated

from ninja import Field, Router, Schema

from apps.accounts.models import User
from apps.accounts.roles import Right
from apps.attribution.choices import Origin
from apps.console.api.bearer import VIA, Bearer, ScriptRequest
from apps.console.api.incidents import IncidentDetail, detail_of, incident_of
from apps.console.api.problems import CONFLICT, Problem
from apps.console.api.shapes import Id
from apps.detection.choices import Level
from apps.incidents import services
from apps.incidents.choices import Verdict
from apps.incidents.models import Incident

router = Router(tags=["incidents"], auth=Bearer(Right.TRIAGE))
Note = Annotated[str, Field(max_length=services.NOTE_LIMIT)]


class Change(Schema):
    """The version of the incident that the script saw."""

    version: Annotated[int, Field(ge=1, lt=2**63)]


class Noted(Change):
    """A change with a note that stays in the history."""

    note: Note = ""


class Assignment(Change):
    """Who shall own it."""

    to: Annotated[str, Field(max_length=150)]


class Grading(Noted):
    """The level that a person gives."""

    level: Level


class Judgement(Change):
    """Who did it, as a person sees it, and why."""

    origin: Origin
    note: Annotated[str, Field(min_length=1, max_length=services.NOTE_LIMIT)]


class Closing(Noted):
    """The verdict that a person gives."""

    verdict: Verdict


@router.post("/{incident_id}/take", response={200: IncidentDetail, **CONFLICT})
def take(request: ScriptRequest, incident_id: Id, change: Change) -> IncidentDetail:
    """The incident is yours."""
    return _act(incident_id, lambda row: services.take(row, by=request.auth, version=change.version, via=VIA))


@router.post("/{incident_id}/release", response={200: IncidentDetail, **CONFLICT})
def release(request: ScriptRequest, incident_id: Id, change: Change) -> IncidentDetail:
    """The incident waits for somebody again."""
    return _act(
        incident_id, lambda row: services.release(row, by=request.auth, version=change.version, via=VIA)
    )


@router.post("/{incident_id}/assign", response={200: IncidentDetail, **CONFLICT})
def assign(request: ScriptRequest, incident_id: Id, change: Assignment) -> IncidentDetail:
    """Somebody who may triage owns the incident."""
    to = User.objects.filter(username=change.to.lower(), is_active=True).first()
    if to is None or not to.may(Right.TRIAGE):
        raise Problem(422, "no_such_person", "Nobody of this name can take incidents.")
    return _act(
        incident_id, lambda row: services.assign(row, to=to, by=request.auth, version=change.version, via=VIA)
    )


@router.post("/{incident_id}/grade", response={200: IncidentDetail, **CONFLICT})
def grade(request: ScriptRequest, incident_id: Id, change: Grading) -> IncidentDetail:
    """The incident has the level that you gave it."""
    return _act(
        incident_id,
        lambda row: services.grade(
            row, level=change.level, by=request.auth, note=change.note, version=change.version, via=VIA
        ),
    )


@router.post("/{incident_id}/judge", response={200: IncidentDetail, **CONFLICT})
def judge(request: ScriptRequest, incident_id: Id, change: Judgement) -> IncidentDetail:
    """Your word on who did it stands beside the machine's."""
    return _act(
        incident_id,
        lambda row: services.judge(
            row, origin=change.origin, by=request.auth, note=change.note, version=change.version, via=VIA
        ),
    )


@router.post("/{incident_id}/close", response={200: IncidentDetail, **CONFLICT})
def close(request: ScriptRequest, incident_id: Id, change: Closing) -> IncidentDetail:
    """The incident is closed; later alerts open another."""
    return _act(
        incident_id,
        lambda row: services.close(
            row, verdict=change.verdict, by=request.auth, note=change.note, version=change.version, via=VIA
        ),
    )


@router.post("/{incident_id}/reopen", response={200: IncidentDetail, **CONFLICT})
def reopen(request: ScriptRequest, incident_id: Id, change: Noted) -> IncidentDetail:
    """The incident is open again."""
    return _act(
        incident_id,
        lambda row: services.reopen(row, by=request.auth, note=change.note, version=change.version, via=VIA),
    )


def _act(pk: int, act: Callable[[Incident], Incident]) -> IncidentDetail:
    """The incident after `act`; 409 names who was first, and nothing was changed."""
    try:
        return detail_of(act(incident_of(pk)))
    except ValueError as error:
        raise Problem(422, "not_possible", str(error)) from error
    except services.Lost as lost:
        raise Problem(409, "lost", lost.says, by=lost.by, now_is=lost.now_is.value) from lost
