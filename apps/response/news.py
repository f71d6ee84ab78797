"""How an order is named in the trail and on which pages its moves are shown."""

from apps.audit.services import Subject
from apps.response.models import ContainmentOrder


def order_subject(order: ContainmentOrder) -> Subject:
    """The order as the audit trail names it."""
    return Subject("order", str(order.pk), order.number)


def topics_of(order: ContainmentOrder) -> list[str]:
    """Every page that shows this order."""
    topics = [f"order:{order.pk}", f"run:{order.run_id}"]
    return [*topics, f"incident:{order.incident_id}"] if order.incident_id else topics
