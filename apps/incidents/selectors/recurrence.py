"""Recurrence: one behaviour over runs, hosts, episodes and checkpoints, as a rate.

In the incident this product was built for, violations came back without any pattern in time: it showed over
episodes. Only what the agent did counts, by attribution, unless a person said that it was somebody else.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min

from apps.attribution.choices import Origin
from apps.core.bulk import rows
from apps.fleet.models import Episode, TrainingRun
from apps.incidents.models import Incident, IncidentHost

MOST_INCIDENTS = 200  # of one behaviour: the latest
MOST_ALERTS = 5_000  # of one incident: the latest
FEWEST = 4  # episodes that have it, before anything is said about a trend
MUCH = 1.5  # times the rate before

HITS = """
SELECT DISTINCT c.episode_id
  FROM unnest(%s::bigint[]) AS wanted(id)
  JOIN incidents_incidentspan s ON s.incident_id = wanted.id
 CROSS JOIN LATERAL (
       SELECT id FROM detection_alert
        WHERE correlation_key = s.key AND id >= s.first_alert_id
          AND (s.last_alert_id IS NULL OR id <= s.last_alert_id)
        ORDER BY id DESC LIMIT %s) a
  JOIN attribution_attribution t ON t.alert_id = a.id AND t.superseded_at IS NULL AND t.origin = 'model'
  JOIN telemetry_toolcall c ON c.id = t.tool_call_id
 WHERE c.episode_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One lineage (or one run, where it has none). `rate` is episodes with it in 1,000 episodes."""

    name: str
    runs: int
    episodes: int
    hit: int
    first_step: int | None
    last_step: int | None

    @property
    def rate(self) -> float:
        return 1000 * self.hit / self.episodes if self.episodes else 0.0


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How often the behaviour was seen, where, since when, and whether it becomes more."""

    behaviour: str
    incidents: int
    runs: int
    hosts: int
    first_at: datetime
    last_at: datetime
    lines: list[Line]
    trend: str  # "rising" | "falling" | "steady" | "too few"
    cut: bool  # only the latest incidents were counted

    @property
    def hit(self) -> int:
        return sum(line.hit for line in self.lines)

    @property
    def episodes(self) -> int:
        return sum(line.episodes for line in self.lines)

    @property
    def rate(self) -> float:
        """Episodes with it in 1,000."""
        return 1000 * self.hit / self.episodes if self.episodes else 0.0


def of(incident: Incident) -> Recurrence:
    """Of the behaviour of `incident`; drills are counted with drills alone."""
    alike = Incident.objects.filter(
        behaviour=incident.behaviour, drill=incident.drill, judged__in=("", Origin.MODEL)
    ).order_by("-id")
    ids = list(alike.values_list("pk", flat=True)[: MOST_INCIDENTS + 1])
    cut, ids = len(ids) > MOST_INCIDENTS, [*ids[:MOST_INCIDENTS]]
    ids = ids if incident.pk in ids else [*ids, incident.pk]
    among = Incident.objects.filter(pk__in=ids)
    span = among.aggregate(first=Min("first_alert_at"), last=Max("last_alert_at"))
    runs = list(TrainingRun.objects.filter(incidents__in=ids).distinct())
    hit = {pk for (pk,) in rows(HITS, [ids, MOST_ALERTS])}
    return Recurrence(
        behaviour=incident.behaviour,
        incidents=len(ids),
        runs=len(runs),
        hosts=IncidentHost.objects.filter(incident__in=ids).aggregate(n=Count("host", distinct=True))["n"],
        first_at=span["first"],
        last_at=span["last"],
        lines=_lines(runs, hit),
        trend=_trend([run.pk for run in runs], hit),
        cut=cut,
    )


def _lines(runs: list[TrainingRun], hit: set[int]) -> list[Line]:
    """By lineage, all its runs: those in which it did not happen as well."""
    named = {run.lineage for run in runs if run.lineage}
    kin = TrainingRun.objects.filter(lineage__in=named, drill=runs[0].drill) if named else []
    groups: dict[str, set[int]] = defaultdict(set)
    for run in [*kin, *runs]:
        groups[run.lineage or run.name].add(run.pk)
    made = []
    for name, members in groups.items():
        total = Episode.objects.filter(run__in=members).count()
        mine = Episode.objects.filter(pk__in=hit, run__in=members)
        steps = mine.aggregate(first=Min("global_step"), last=Max("global_step"), n=Count("pk"))
        made.append(Line(name, len(members), total, steps["n"], steps["first"], steps["last"]))
    return sorted(made, key=lambda line: (-line.rate, line.name))


def _trend(runs: list[int], hit: set[int]) -> str:
    """The later half of the episodes against the earlier."""
    known = list(Episode.objects.filter(run__in=runs).order_by("id").values_list("pk", flat=True)[:100_000])
    half = len(known) // 2
    if len(hit) < FEWEST or not half:
        return "too few"
    before = sum(pk in hit for pk in known[:half]) / half
    after = sum(pk in hit for pk in known[half:]) / (len(known) - half)
    if after > before * MUCH:
        return "rising"
    return "falling" if before > after * MUCH else "steady"
