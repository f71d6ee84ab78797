"""Drills as a host agent pulls them, and as a host's page shows them."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.drills.choices import UNDER_WAY, Stage
from apps.drills.models import Drill
from apps.fleet.choices import LIVE_RUNS
from apps.fleet.models import Host, HostAgent, TrainingRun

# A host that fell silent in the middle of a drill does not hold up the next one for ever.
SLACK = timedelta(minutes=2)


def pending(agent: HostAgent) -> list[Drill]:
    """What waits at this host's door."""
    waiting = Drill.objects.filter(agent=agent, stage=Stage.REQUESTED, expires_at__gt=timezone.now())
    return list(waiting.only("payload", "signature").order_by("pk")[:10])


def of_host(host: Host) -> QuerySet[Drill]:
    """Its drills, newest first."""
    return Drill.objects.filter(host=host).select_related("by", "agent").order_by("-pk")


def stage_of(drill: Drill, *, now: datetime | None = None) -> Stage:
    """Where it stands: one that nobody fetched in time has expired, whatever its row says."""
    now = now or timezone.now()
    if drill.stage == Stage.REQUESTED and drill.expires_at <= now:
        return Stage.EXPIRED
    return Stage(drill.stage)


def run_of(drill: Drill) -> TrainingRun | None:
    """The run that it set off, once known: on that host, marked as a drill, by the name the host gave."""
    if not drill.run_name:
        return None
    runs = TrainingRun.objects.filter(name=drill.run_name, drill=True, placements__host=drill.host_id)
    return runs.order_by("-pk").first()


def under_way(host: Host) -> Drill | None:
    """The drill that is asked for or playing there."""
    now = timezone.now()
    for drill in of_host(host).filter(stage__in=UNDER_WAY)[:5]:
        until = drill.stage_at + timedelta(seconds=drill.seconds) + SLACK
        if stage_of(drill, now=now) in UNDER_WAY and until > now:
            return drill
    return None


def playing(host: Host) -> TrainingRun | None:
    """A live run of any drill on that host, whoever started it."""
    here = Q(placements__host=host, placements__ended_at=None)
    return TrainingRun.objects.filter(here, drill=True, state__in=LIVE_RUNS).order_by("-pk").first()
