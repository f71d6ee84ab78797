"""Drills: asked for like an order, and followed by what the host signed."""

from datetime import datetime
from typing import Annotated

from ninja import Field, Router, Schema, Status

from apps.accounts.roles import Right
from apps.console.api.bearer import VIA, Bearer, ScriptRequest, found
from apps.console.api.problems import CONFLICT, ERRORS, Problem
from apps.console.api.shapes import PAGE, Before, HostRef, Id, RunRef, Size, next_of
from apps.drills import selectors, services
from apps.drills.choices import Name
from apps.drills.models import Drill
from apps.fleet.models import Host

router = Router(tags=["drills"], auth=Bearer(Right.VIEW))
CONFLICTS = {"not_online", "under_way"}


class NewDrill(Schema):
    """Which drill, and why: the reason stays in the audit trail."""

    name: Name = Name.ROME
    reason: Annotated[str, Field(max_length=500)] = ""


class DrillShape(Schema):
    """A drill that was asked for. Its `run` is known once the host has reported it."""

    id: int
    number: str
    host: HostRef
    name: str
    stage: str
    by: str
    reason: str
    run: RunRef | None
    detail: str
    requested_at: datetime
    expires_at: datetime
    stage_at: datetime

    @classmethod
    def of(cls, row: Drill) -> "DrillShape":
        names = ("number", "name", "reason", "detail", "requested_at", "expires_at", "stage_at")
        return cls(
            id=row.pk,
            host=HostRef.of(row.host),
            stage=selectors.stage_of(row).value,
            by=row.by.username,
            run=RunRef.of(selectors.run_of(row)),
            **{name: getattr(row, name) for name in names},
        )


class DrillPage(Schema):
    """Drills of one host, newest first, and the cursor of those before them."""

    items: list[DrillShape]
    next: int | None


@router.get("/{host_id}/drills", response={200: DrillPage, **ERRORS})
def list_drills(request: ScriptRequest, host_id: Id, before: Before = None, size: Size = PAGE) -> DrillPage:
    """Drills that were asked for on one host, newest first."""
    rows = selectors.of_host(_host(host_id)).select_related("host")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    drills = list(rows[: size + 1])
    items = [DrillShape.of(row) for row in drills[:size]]
    return DrillPage(items=items, next=next_of([row.pk for row in drills], size))


@router.post("/{host_id}/drills", response={201: DrillShape, **CONFLICT}, auth=Bearer(Right.DRILL))
def start_drill(request: ScriptRequest, host_id: Id, new: NewDrill) -> Status[DrillShape]:
    """Ask a host to play a drill. Whether it allows that, it says itself: follow `stage`."""
    try:
        drill = services.ask(_host(host_id), name=new.name, by=request.auth, reason=new.reason, by_kind=VIA)
    except services.DrillRefusedError as refused:
        raise Problem(409 if refused.code in CONFLICTS else 422, refused.code, str(refused)) from refused
    return Status(201, DrillShape.of(drill))


def _host(pk: int) -> Host:
    return found(Host.objects.filter(pk=pk).first())
