"""A receipt counts when its host signed it, for the order that it was given, and only forwards."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core.text import storable
from apps.core.transitions import moved
from apps.feed import services as feed
from apps.feed.models import FeedEntry
from apps.fleet.models import HostAgent
from apps.response import outcome
from apps.response.choices import OUTCOMES, REACHED_FROM, REFUSALS, SETTLED, Stage
from apps.response.models import ContainmentOrder, OrderTarget, Receipt
from apps.response.news import order_subject, topics_of
from apps.response.reading import UnprovenError, judged, read


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one receipt: `stored`, `duplicate` or `refused` with its reason."""

    result: str
    detail: str = ""


def receive(agent: HostAgent, payload_text: str, signature: str) -> Taken:
    """The receipt is evidence, its target stands where the host signed that it stands, and pages are told.

    What is forged, replayed with other words, or about somebody else's order is refused and the refusal
    recorded; the order does not move. The same receipt again changes nothing.
    """
    with transaction.atomic():
        try:
            data = read(agent, payload_text, signature)
            target = _target(agent, data)
            if known := Receipt.objects.filter(target=target, seq=data["seq"]).first():
                if known.payload != payload_text:
                    raise UnprovenError("another receipt was already received under this number")
                return Taken("duplicate")
            _keep(target, data, payload_text, signature)
        except UnprovenError as refused:
            return _refuse(agent, str(refused), payload_text)
    return Taken("stored")


def _target(agent: HostAgent, data: dict[str, Any]) -> OrderTarget:
    """The target that the receipt is about. Its order is locked: hosts of one order are judged in turn."""
    target = OrderTarget.objects.filter(pk=data["order_id"], agent=agent).first()
    if target is None:
        raise UnprovenError("this host agent was given no such order")
    order = ContainmentOrder.objects.select_for_update(no_key=True).get(pk=target.order_id)
    target.refresh_from_db()
    target.order = order
    if not secrets.compare_digest(target.nonce.encode(), data["nonce"].encode("utf-8", "replace")):
        raise UnprovenError("the nonce is not that of the order")
    stage = data["stage"]
    if stage not in REACHED_FROM or (stage in SETTLED and stage not in OUTCOMES[order.action] | REFUSALS):
        raise UnprovenError(f"{order.action} does not end in {stage}")
    return target


def _keep(target: OrderTarget, data: dict[str, Any], text: str, signature: str) -> None:
    now = timezone.now()
    stage, doubt = judged(data)
    Receipt.objects.create(
        target=target,
        seq=data["seq"],
        stage=data["stage"],
        payload=text,
        signature=signature,
        data=data,
        host_at=datetime.fromtimestamp(data["at_ms"] / 1000, UTC),
        received_at=now,
    )
    before = target.stage
    on = moved(target, "stage", frm=REACHED_FROM[stage], to=stage, **_also(target, data, stage, doubt, now))
    contained = outcome.settle(target) if on else None
    audit.record(
        "receipt.received",
        by=audit.By("host", target.host.name),
        subject=order_subject(target.order),
        drill=target.order.drill,
        stage=data["stage"],
        seq=data["seq"],
        before=before,
        after=target.stage,
        doubt=doubt,
        host_at=datetime.fromtimestamp(data["at_ms"] / 1000, UTC),
        mono_ms=int(data["mono_ms"]),
        signature=signature,
        run_state=contained,
    )
    if on:
        _publish(target, contained)


def _also(
    target: OrderTarget, data: dict[str, Any], stage: Stage, doubt: str, now: datetime
) -> dict[str, Any]:
    said = storable(doubt or data.get("detail", ""), limit=500)
    fresh: dict[str, Any] = {"stage_at": now, "settled_at": now if stage in SETTLED else None, "detail": said}
    if target.delivered_at is None:
        fresh["delivered_at"] = now
    counts = {name: data.get(name) for name in ("processes_before", "processes_after")}
    return fresh | {name: value for name, value in counts.items() if value is not None}


def _publish(target: OrderTarget, run_state: str | None) -> None:
    order = target.order
    about = {"by": target.host.name, "detail": {"host": target.host_id, "stage": target.stage}}
    news = [
        FeedEntry(
            kind="order.moved",
            topics=[*topics_of(order)],
            subject_kind="order",
            subject_id=order.pk,
            **about,
        )
    ]
    if run_state:
        news.append(
            FeedEntry(
                kind="run.changed",
                topics=[*topics_of(order), "queue", "fleet"],
                subject_kind="run",
                subject_id=order.run_id,
                by=target.host.name,
                detail={"state": run_state, "order": order.pk},
            )
        )
    feed.publish_many(news)


def _refuse(agent: HostAgent, why: str, text: str) -> Taken:
    audit.record(
        "receipt.refused",
        by=audit.By("host", agent.host.name),
        subject=audit.Subject("agent", str(agent.uuid), agent.host.name),
        why=why,
        text=text[:500],
    )
    return Taken("refused", why)
