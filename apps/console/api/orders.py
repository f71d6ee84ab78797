"""Containment orders: made once however often they are sent, and followed by the receipts hosts signed."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from ninja import Field, Header, Router, Schema, Status

from apps.accounts.roles import Right
from apps.console.api.bearer import VIA, Bearer, ScriptRequest, found, permit
from apps.console.api.incidents import incident_of
from apps.console.api.problems import CONFLICT, ERRORS, Problem
from apps.console.api.runs import run_of
from apps.console.api.shapes import PAGE, Before, HostRef, Id, RunRef, Size, next_of
from apps.response import services
from apps.response.choices import WORST_FIRST, Action
from apps.response.models import ContainmentOrder, OrderTarget, Receipt

router = Router(tags=["orders"], auth=Bearer(Right.VIEW))
NEEDS = {Action.PAUSE: Right.CONTAIN, Action.KILL: Right.CONTAIN, Action.RESUME: Right.RESUME}
CONFLICTS = {"stale_targets", "key_reused", "not_live"}
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=8, max_length=64)]


class NewOrder(Schema):
    """One act on one run. `parameters_digest` is the `digest` of the run's targets as you saw them."""

    run: Annotated[int, Field(ge=1, lt=2**63)]
    action: Action
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    parameters_digest: Annotated[str, Field(max_length=64)]
    typed_name: Annotated[str, Field(max_length=120, description="the run's name, to KILL it")] = ""
    incident: Annotated[int | None, Field(ge=1, lt=2**63)] = None


class ReceiptShape(Schema):
    """What a host signed: `payload` is the exact text under `signature`, `data` the same, read."""

    seq: int
    stage: str
    host_at: datetime
    received_at: datetime
    data: dict[str, Any]
    payload: str
    signature: str

    @classmethod
    def of(cls, row: Receipt) -> "ReceiptShape":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class TargetShape(Schema):
    """One host's part of an order."""

    host: HostRef
    stage: str
    stage_at: datetime
    delivered_at: datetime | None
    settled_at: datetime | None
    processes_before: int | None
    processes_after: int | None
    detail: str
    receipts: list[ReceiptShape]

    @classmethod
    def of(cls, row: OrderTarget) -> "TargetShape":
        names = [name for name in cls.model_fields if name not in ("host", "receipts")]
        receipts = [ReceiptShape.of(item) for item in row.receipts.all()]
        return cls(
            host=HostRef.of(row.host), receipts=receipts, **{name: getattr(row, name) for name in names}
        )


class OrderShape(Schema):
    """An order. `outcome` is the worst that any of its hosts is in: nothing is dead until all are."""

    id: int
    number: str
    action: Action
    run: RunRef
    incident: int | None
    by: str
    reason: str
    drill: bool
    outcome: str
    requested_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: ContainmentOrder) -> "OrderShape":
        stages = {target.stage for target in row.targets.all()}
        names = ("number", "action", "reason", "drill", "requested_at", "expires_at")
        return cls(
            id=row.pk,
            run=RunRef(id=row.run.pk, name=row.run.name),
            incident=row.incident_id,
            by=row.by.username,
            outcome=next((stage for stage in WORST_FIRST if stage in stages), "REQUESTED"),
            **{name: getattr(row, name) for name in names},
        )


class OrderDetail(Schema):
    """An order with every host's part and what it signed."""

    order: OrderShape
    targets: list[TargetShape]

    @classmethod
    def of(cls, row: ContainmentOrder) -> "OrderDetail":
        return cls(order=OrderShape.of(row), targets=[TargetShape.of(target) for target in row.targets.all()])


class OrderPage(Schema):
    """Orders, newest first, and the cursor of those before them."""

    items: list[OrderShape]
    next: int | None


@router.get("", response={200: OrderPage, **ERRORS})
def list_orders(request: ScriptRequest, before: Before = None, size: Size = PAGE) -> OrderPage:
    """Orders, newest first."""
    rows = ContainmentOrder.objects.select_related("run", "by").prefetch_related("targets").order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    orders = list(rows[: size + 1])
    items = [OrderShape.of(row) for row in orders[:size]]
    return OrderPage(items=items, next=next_of([row.pk for row in orders], size))


@router.post("", response={201: OrderDetail, **CONFLICT}, auth=Bearer(Right.CONTAIN, Right.RESUME))
def issue_order(
    request: ScriptRequest, response: HttpResponse, new: NewOrder, key: Key
) -> Status[OrderDetail]:
    """Order a pause, a resume or a kill. The same key again gives the same order again."""
    permit(request.auth, NEEDS[new.action])
    run = run_of(new.run)
    incident = incident_of(new.incident) if new.incident else None
    try:
        order = services.issue(
            run,
            action=new.action,
            by=request.auth,
            by_kind=VIA,
            reason=new.reason,
            typed_name=new.typed_name,
            parameters_digest=new.parameters_digest,
            idempotency_key=key,
            incident=incident,
        )
    except services.OrderRefusedError as refused:
        raise Problem(409 if refused.code in CONFLICTS else 422, refused.code, str(refused)) from refused
    response["Location"] = f"/api/v1/orders/{order.pk}"
    return Status(201, OrderDetail.of(_order(order.pk)))


@router.get("/{order_id}", response={200: OrderDetail, **ERRORS})
def get_order(request: ScriptRequest, order_id: Id) -> OrderDetail:
    """One order with the receipts that hosts signed."""
    return OrderDetail.of(_order(order_id))


def _order(pk: int) -> ContainmentOrder:
    receipts = Prefetch("receipts", queryset=Receipt.objects.order_by("seq"))
    targets: QuerySet[OrderTarget] = OrderTarget.objects.select_related("host").order_by("host__name")
    rows = ContainmentOrder.objects.select_related("run", "by").prefetch_related(
        Prefetch("targets", queryset=targets.prefetch_related(receipts))
    )
    return found(rows.filter(pk=pk).first())
