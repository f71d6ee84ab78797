"""Reads about hosts, host agents and runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from apps.fleet.choices import AgentState
from apps.fleet.models import Host, HostAgent, Placement, TrainingRun


def agent_by_uuid(uuid: UUID) -> HostAgent | None:
    """The host agent of that id, whatever its state."""
    return HostAgent.objects.filter(uuid=uuid).first()


def clock_ahead(host: Host | None) -> timedelta:
    """How far the host's clock is before the server's, as last measured; zero where it was not."""
    agents = HostAgent.objects.filter(host=host, state=AgentState.ACTIVE)
    return timedelta(milliseconds=agents.values_list("clock_offset_ms", flat=True).first() or 0)


@dataclass(slots=True)
class RunBook:
    """The runs that a lot of records may speak of, and where they stand on its hosts."""

    by_id: dict[int, TrainingRun] = field(default_factory=dict)
    by_marker: dict[str, TrainingRun] = field(default_factory=dict)
    by_name: dict[str, TrainingRun] = field(default_factory=dict)
    placements: dict[int, list[Placement]] = field(default_factory=dict)  # by host, latest first

    def named(self, name: str | None) -> TrainingRun | None:
        """The run that calls itself so, or carries that marker; the latest of that name."""
        return (self.by_marker.get(name) or self.by_name.get(name)) if name else None

    def holding(self, host_id: int, cgroup: str) -> TrainingRun | None:
        """The run whose cgroup on that host holds `cgroup`."""
        for place in self.placements.get(host_id, ()):
            if place.cgroup.strip("/") and f"{cgroup}/".startswith(f"{place.cgroup.rstrip('/')}/"):
                return self.by_id.get(place.run_id)
        return None

    def cgroup_of(self, run_id: int, host_id: int) -> str | None:
        """Where the run's processes belong on that host."""
        found = (place.cgroup for place in self.placements.get(host_id, ()) if place.run_id == run_id)
        return next(found, None) or None


def run_book(hosts: Iterable[int], *, names: Iterable[str], since: datetime) -> RunBook:
    """All runs that stand (or stood after `since`) on `hosts`, or are called one of `names`."""
    book = RunBook()
    recent = Q(ended_at=None) | Q(ended_at__gt=since)
    places = Placement.objects.filter(recent, host_id__in=list(hosts)).order_by("-started_at")
    for place in places:
        book.placements.setdefault(place.host_id, []).append(place)
    wanted = Q(pk__in=places.order_by().values("run"))  # by the database: a host may have left any number
    if called := list(names):
        wanted |= Q(name__in=called) | Q(marker__in=called)
    for run in TrainingRun.objects.filter(wanted).order_by("started_at", "pk"):
        book.by_id[run.pk] = book.by_marker[run.marker] = book.by_name[run.name] = run
    return book
