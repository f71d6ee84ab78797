"""Hosts, how well each is seen, and the way in for a new one."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Field, Router, Schema, Status

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.api.bearer import VIA, Bearer, ScriptRequest, found
from apps.console.api.problems import CONFLICT, ERRORS, Problem
from apps.console.api.shapes import PAGE, Before, Id, Size, next_of
from apps.fleet import services
from apps.fleet.models import Host, HostAgent

router = Router(tags=["hosts"], auth=Bearer(Right.VIEW))


class AgentShape(Schema):
    """The software on a host: what it can do, what its sensors see, how far its clock is off."""

    uuid: str
    state: str
    version: str
    capabilities: dict[str, Any]
    sensors: dict[str, Any]
    spool: dict[str, Any]
    clock_offset_ms: float | None
    clock_error_ms: float | None
    enrolled_at: datetime
    last_seen_at: datetime | None
    last_sequence: int

    @classmethod
    def of(cls, row: HostAgent) -> "AgentShape":
        names = [name for name in cls.model_fields if name != "uuid"]
        return cls(uuid=str(row.uuid), **{name: getattr(row, name) for name in names})


class HostShape(Schema):
    """A host with every host agent that ever spoke for it, the newest first."""

    id: int
    name: str
    machine_id: str
    created_at: datetime
    agents: list[AgentShape]

    @classmethod
    def of(cls, row: Host) -> "HostShape":
        agents = sorted(row.agents.all(), key=lambda agent: agent.pk, reverse=True)
        return cls(
            id=row.pk,
            name=row.name,
            machine_id=row.machine_id,
            created_at=row.created_at,
            agents=[AgentShape.of(agent) for agent in agents],
        )


class HostPage(Schema):
    """Hosts, newest first, and the cursor of those before them."""

    items: list[HostShape]
    next: int | None


class OfferShape(Schema):
    """A one-time enrolment token. It is shown here and never again."""

    token: str
    expires_in_s: int


class Revocation(Schema):
    """Why a host agent is not listened to any more."""

    agent: Annotated[str, Field(max_length=36)]
    reason: Annotated[str, Field(max_length=400)] = ""


@router.get("", response={200: HostPage, **ERRORS})
def list_hosts(request: ScriptRequest, before: Before = None, size: Size = PAGE) -> HostPage:
    """Hosts, newest first."""
    rows = Host.objects.prefetch_related("agents").order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    hosts = list(rows[: size + 1])
    items = [HostShape.of(row) for row in hosts[:size]]
    return HostPage(items=items, next=next_of([row.pk for row in hosts], size))


@router.post("/offers", response={201: OfferShape, **ERRORS}, auth=Bearer(Right.ENROL))
def offer_enrolment(request: ScriptRequest) -> Status[OfferShape]:
    """Make a token with which one host can enrol, once."""
    token = services.offer_enrolment(By(VIA, request.auth.username))
    return Status(201, OfferShape(token=token, expires_in_s=int(services.TOKEN_LASTS.total_seconds())))


@router.get("/{host_id}", response={200: HostShape, **ERRORS})
def get_host(request: ScriptRequest, host_id: Id) -> HostShape:
    """One host."""
    return HostShape.of(_host(host_id))


@router.post("/{host_id}/revoke", response={200: HostShape, **CONFLICT}, auth=Bearer(Right.ENROL))
def revoke(request: ScriptRequest, host_id: Id, revocation: Revocation) -> HostShape:
    """One of the host's agents is not listened to any more."""
    host = _host(host_id)
    agent = next((row for row in host.agents.all() if str(row.uuid) == revocation.agent), None)
    by = By(VIA, request.auth.username)
    if not services.revoke(found(agent), by=by, reason=revocation.reason):
        raise Problem(409, "lost", "This host agent was revoked before.")
    return HostShape.of(_host(host_id))


def _host(pk: int) -> Host:
    return found(Host.objects.prefetch_related("agents").filter(pk=pk).first())
