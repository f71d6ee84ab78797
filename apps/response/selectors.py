"""Orders as a host agent pulls them, and as a page lists them."""

from django.db.models import QuerySet
from django.utils import timezone

from apps.fleet.models import HostAgent
from apps.response.choices import WORST_FIRST, Stage
from apps.response.models import ContainmentOrder, OrderTarget

MOST_PENDING = 100


def pending(agent: HostAgent) -> list[OrderTarget]:
    """What waits at this host's door, oldest first; a host that was given up gets it until it expires."""
    waiting = OrderTarget.objects.filter(
        agent=agent,
        stage__in=[Stage.REQUESTED, Stage.UNREACHABLE],
        order__expires_at__gt=timezone.now(),
    )
    return list(waiting.only("payload", "signature").order_by("pk")[:MOST_PENDING])


def listed() -> QuerySet[ContainmentOrder]:
    """Orders for a list, newest first, each with what `worst` needs."""
    orders = ContainmentOrder.objects.select_related("run", "incident", "by")
    return orders.prefetch_related("targets").order_by("-pk")


def worst(order: ContainmentOrder) -> Stage:
    """The stage that an order is named after: that of its worst host."""
    stages = {target.stage for target in order.targets.all()}
    return next((stage for stage in WORST_FIRST if stage in stages), Stage.REQUESTED)
