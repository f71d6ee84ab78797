"""How well a host is watched: derived from when it was last heard, never stored."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import TextChoices
from django.utils import timezone

from apps.fleet.choices import AgentState
from apps.fleet.models import HostAgent

BLIND_FACTOR = 4


class Health(TextChoices):
    """Worst first after reporting."""

    REPORTING = "reporting", "Reporting"
    LATE = "late", "Late"
    BLIND = "blind", "Blind"
    CLONE = "clone", "Clone"
    REVOKED = "revoked", "Revoked"


WORST_FIRST = (Health.BLIND, Health.CLONE, Health.LATE, Health.REPORTING, Health.REVOKED)


def limits(now: datetime) -> tuple[datetime, datetime]:
    """Heard before the first: late. Before the second: blind."""
    late = timedelta(seconds=settings.HOST_LATE_SECONDS)
    return now - late, now - late * BLIND_FACTOR


def health(agent: HostAgent | None, *, now: datetime | None = None) -> Health:
    """The health of a host whose voice is `agent`; a host without one is blind."""
    if agent is None:
        return Health.BLIND
    if agent.state != AgentState.ACTIVE:
        return Health.REVOKED if agent.state == AgentState.REVOKED else Health.CLONE
    late, blind = limits(now or timezone.now())
    if agent.last_seen_at is None or agent.last_seen_at < blind:
        return Health.BLIND
    return Health.LATE if agent.last_seen_at < late else Health.REPORTING
