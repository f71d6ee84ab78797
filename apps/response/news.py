"""How an order is named in the trail, and what pages are told about it."""

from apps.audit.services import Subject
from apps.feed.models import FeedEntry
from apps.response.models import ContainmentOrder, OrderTarget


def order_subject(order: ContainmentOrder) -> Subject:
    """The order as the audit trail names it."""
    return Subject("order", str(order.pk), order.number)


def topics_of(order: ContainmentOrder) -> list[str]:
    """Every page that shows this order."""
    topics = [f"order:{order.pk}", f"run:{order.run_id}"]
    return [*topics, f"incident:{order.incident_id}"] if order.incident_id else topics


def moved_entry(target: OrderTarget, *, by: str) -> FeedEntry:
    """A host's part of an order moved."""
    return FeedEntry(
        kind="order.moved",
        topics=topics_of(target.order),
        subject_kind="order",
        subject_id=target.order_id,
        by=by,
        detail={"host": target.host_id, "stage": target.stage, "run": target.order.run_id},
    )


def run_entry(target: OrderTarget, state: str) -> FeedEntry:
    """The run changed because of what the last host proved."""
    order = target.order
    return FeedEntry(
        kind="run.changed",
        topics=[*topics_of(order), "queue", "fleet"],
        subject_kind="run",
        subject_id=order.run_id,
        by=target.host.name,
        detail={"state": state, "order": order.pk},
    )
