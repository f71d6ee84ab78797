"""What every page's frame shows, in three cheap queries."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from apps.feed.models import FeedEntry
from apps.fleet.choices import LIVE_RUNS, AgentState
from apps.fleet.health import limits
from apps.fleet.models import HostAgent, TrainingRun
from apps.incidents.selectors import queue


@dataclass(frozen=True, slots=True)
class Shell:
    """Coverage, runs, and how many incidents wait."""

    hosts_total: int
    hosts_seen: int
    hosts_late: int
    hosts_blind: int
    runs_live: int
    waiting: int
    cursor: int


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of `base.html`; read only if a template looks at it, so a fragment pays nothing."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    return {"shell": SimpleLazyObject(_shell)}


def feed_cursor() -> int:
    """The id of the newest feed entry. Read before a page's own queries: nothing falls in between."""
    return FeedEntry.objects.aggregate(last=Max("id"))["last"] or 0


def _shell() -> Shell:
    cursor = feed_cursor()
    late, blind = limits(timezone.now())
    hosts = HostAgent.objects.filter(state=AgentState.ACTIVE).aggregate(
        total=Count("pk"),
        seen=Count("pk", filter=Q(last_seen_at__gte=late)),
        awake=Count("pk", filter=Q(last_seen_at__gte=blind)),
    )
    return Shell(
        hosts_total=hosts["total"],
        hosts_seen=hosts["seen"],
        hosts_late=hosts["awake"] - hosts["seen"],
        hosts_blind=hosts["total"] - hosts["awake"],
        runs_live=TrainingRun.objects.filter(state__in=LIVE_RUNS).count(),
        waiting=queue.waiting(),
        cursor=cursor,
    )
