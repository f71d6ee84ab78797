"""The queue: what waits and what is in hand, urgent first, by keyset; counts that stay cheap."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.accounts.models import User
from apps.detection.choices import RANK
from apps.incidents.choices import Status
from apps.incidents.models import Incident, IncidentHost
from apps.incidents.selectors import pulse

PAGE = 40
MANY = 100  # rows that a browser asks for by name at once
DERIVED = ("new", "escalating", "regressed", "taken")
COUNT_LIMIT = 1000  # "1000+" from there on
_NUMBER = re.compile(r"(?:INC-)?0*(\d{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a person narrowed the queue to; each part is one parameter of the page's address."""

    state: str = ""  # all open ones, or one of new, escalating, regressed, taken, closed
    level: str = ""  # this and worse
    owner: str = ""  # "me", "none" or a username
    run: int | None = None
    host: int | None = None
    behaviour: str = ""
    drill: str = ""  # "only", "no"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many are where, at most `COUNT_LIMIT` each (`capped` says so)."""

    open: int
    states: Counter[str]  # new, escalating, regressed, taken: each open one is in exactly one
    waiting: int  # nobody took them
    closed: int  # in the last 24 hours
    capped: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the queue."""

    incident: Incident
    state: str
    hosts: int
    host: str | None
    hours: list[int]  # alerts of the last hour in twelve parts

    @property
    def group(self) -> str:
        """Which part of the list it stands in."""
        return self.incident.status


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order, and the cursor of those after them (empty at the end)."""

    rows: list[Row]
    after: str


def page(filters: Filters, *, user: User, after: str = "", size: int = PAGE) -> Page:
    """The next `size` rows of the queue after the cursor `after`."""
    rows = matching(filters, user=user)
    found = _closed(rows, after, size) if filters.state == "closed" else _open(rows, after, size)
    more = len(found) > size
    found = found[:size]
    return Page(dressed(found), _cursor(found[-1]) if more else "")


def by_ids(ids: list[int]) -> list[Row]:
    """Those rows, closed ones too, dressed as in the queue and in its order."""
    return dressed(
        list(_with_names(Incident.objects.filter(pk__in=ids[:MANY])).order_by("status", "-rank", "-id"))
    )


def counts(filters: Filters, *, user: User) -> Counts:
    """How many of the matching incidents are in each state."""
    slim = matching(replace(filters, state=""), user=user, names=False)
    found = list(slim.order_by("-rank", "-id").values_list("pk", "status", "follows_id")[: COUNT_LIMIT + 1])
    kept = found[:COUNT_LIMIT]
    hot = pulse.escalating([pk for pk, *_ in kept])
    day = matching(replace(filters, state="closed"), user=user, names=False)
    closed = day.filter(closed_at__gte=timezone.now() - timedelta(days=1)).order_by("-closed_at")
    return Counts(
        open=len(kept),
        states=Counter(_state(*row, hot) for row in kept),
        waiting=sum(status == Status.NEW for _, status, _ in kept),
        closed=len(closed.values_list("pk")[:COUNT_LIMIT]),
        capped=len(found) > COUNT_LIMIT,
    )


def waiting() -> int:
    """How many nobody took yet, at most `COUNT_LIMIT`."""
    return len(Incident.objects.filter(status=Status.NEW).values_list("pk")[:COUNT_LIMIT])


def matching(filters: Filters, *, user: User, names: bool = True) -> QuerySet[Incident]:
    """Incidents under `filters`, in no order yet."""
    rows = Incident.objects.exclude(status=Status.CLOSED)
    if filters.state == "closed":
        rows = Incident.objects.filter(status=Status.CLOSED)
    rows = rows.filter(_stored(filters, user), _written(filters.text))
    rows = _derived(rows, filters.state)
    return _with_names(rows) if names else rows


def dressed(rows: list[Incident]) -> list[Row]:
    """The rows with what time decides about them: their state and how fast alerts come."""
    ids = [row.pk for row in rows]
    lines = pulse.sparklines(ids)
    hot = {pk for pk, hours in lines.items() if pulse.escalates(sum(hours[:-1]), hours[-1])}
    return [
        Row(
            incident=row,
            state=_state(row.pk, row.status, row.follows_id, hot),
            hosts=row.host_count,  # type: ignore[attr-defined]
            host=row.host_name,  # type: ignore[attr-defined]
            hours=lines[row.pk],
        )
        for row in rows
    ]


def states_of(rows: list[Incident]) -> dict[int, str]:
    """Where each incident stands, by its id."""
    hot = pulse.escalating([row.pk for row in rows])
    return {row.pk: _state(row.pk, row.status, row.follows_id, hot) for row in rows}


def _state(pk: int, status: str, follows: int | None, hot: set[int]) -> str:
    if status == Status.CLOSED:
        return "closed"
    if pk in hot:
        return "escalating"
    if follows:
        return "regressed"
    return "new" if status == Status.NEW else "taken"


def _derived(rows: QuerySet[Incident], state: str) -> QuerySet[Incident]:
    """Only those in a state that time decides: the open ones are looked at, as many as are counted."""
    if state not in DERIVED:
        return rows
    near = rows.order_by("-rank", "-id").values_list("pk", "status", "follows_id")[:COUNT_LIMIT]
    found = list(near)
    hot = pulse.escalating([pk for pk, _, _ in found])
    return rows.filter(
        pk__in=[pk for pk, status, follows in found if _state(pk, status, follows, hot) == state]
    )


def _stored(filters: Filters, user: User) -> Q:
    wanted = Q()
    if filters.level in RANK:
        wanted &= Q(rank__gte=RANK[filters.level])
    if filters.owner:
        owner = {"me": Q(owner=user), "none": Q(owner=None)}
        wanted &= owner.get(filters.owner, Q(owner__username=filters.owner))
    if filters.run is not None:
        wanted &= Q(run_id=filters.run)
    if filters.host is not None:
        wanted &= Q(pk__in=IncidentHost.objects.filter(host_id=filters.host).values("incident_id"))
    if filters.behaviour:
        wanted &= Q(behaviour=filters.behaviour)
    return wanted & {"only": Q(drill=True), "no": Q(drill=False)}.get(filters.drill, Q())


def _written(text: str) -> Q:
    """A number, or the beginning of a run's or host's name: each through an index."""
    text = text.strip()[:120].replace("\x00", "")
    if not text:
        return Q()
    if number := _NUMBER.fullmatch(text):
        return Q(pk=int(number[1]))
    hosts = IncidentHost.objects.filter(host__name__startswith=text).values("incident_id")
    return Q(run__name__startswith=text) | Q(behaviour__startswith=text) | Q(pk__in=hosts)


def _with_names(rows: QuerySet[Incident]) -> QuerySet[Incident]:
    hosts = IncidentHost.objects.filter(incident=OuterRef("pk"))
    number = hosts.order_by().values("incident").annotate(n=Count("pk")).values("n")
    return rows.select_related("run", "owner").annotate(
        host_count=Coalesce(Subquery(number), 0),
        host_name=Subquery(hosts.order_by("pk").values("host__name")[:1]),
    )


def _open(rows: QuerySet[Incident], after: str, size: int) -> list[Incident]:
    """Those that wait, then those in hand; each part is one walk along the queue's index."""
    status, rank, pk = _read_cursor(after)
    found: list[Incident] = []
    for part in (Status.NEW, Status.TAKEN):
        if status == Status.TAKEN and part == Status.NEW:
            continue
        here = rows.filter(status=part).order_by("-rank", "-id")
        if status == part:
            here = here.filter(Q(rank__lt=rank) | Q(rank=rank, pk__lt=pk))
        found += here[: size + 1 - len(found)]
        if len(found) > size:
            break
    return found


def _closed(rows: QuerySet[Incident], after: str, size: int) -> list[Incident]:
    status, _, pk = _read_cursor(after)
    rows = rows.order_by("-closed_at", "-id")
    last = Incident.objects.filter(pk=pk, status=Status.CLOSED).first() if status == Status.CLOSED else None
    if last:
        rows = rows.filter(Q(closed_at__lt=last.closed_at) | Q(closed_at=last.closed_at, pk__lt=last.pk))
    return list(rows[: size + 1])


def _cursor(row: Incident) -> str:
    return f"{row.status}.{row.rank}.{row.pk}"


def _read_cursor(text: str) -> tuple[str, int, int]:
    found = re.fullmatch(r"(new|taken|closed)\.(\d)\.(\d{1,18})", text)
    return (found[1], int(found[2]), int(found[3])) if found else ("", 0, 0)
