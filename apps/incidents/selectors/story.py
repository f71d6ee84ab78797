"""What lies around an incident: its episodes, what was kept as evidence, what came before it."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet
from django.db.models.functions import Length

from apps.detection.models import Alert
from apps.fleet.models import Episode
from apps.incidents.models import Annotation, Incident, StatusChange
from apps.incidents.selectors import alerts
from apps.telemetry.models import Batch, Report, ToolCall

MANY = 200
SEEN_BEFORE = 5
KEPT = 20  # uploads listed as evidence


@dataclass(frozen=True, slots=True)
class Kept:
    """One upload as it was received: what every fact in the incident rests on."""

    at: datetime
    title: str
    source: str
    size: int
    digest: str
    ref: str
    report: int | None = None  # whose original bytes can be fetched


def history(incident: Incident) -> list[StatusChange]:
    """What moved, newest first."""
    return list(StatusChange.objects.filter(incident=incident).order_by("-id")[:MANY])


def annotations(incident: Incident) -> list[Annotation]:
    """What people wrote, newest first."""
    rows = Annotation.objects.filter(incident=incident).select_related("by")
    return list(rows.order_by("-id")[:MANY])


def seen_before(incident: Incident) -> QuerySet[Incident]:
    """Earlier incidents of the same behaviour in the same run or lineage, newest first."""
    if incident.run is None:
        return Incident.objects.none()
    rows = Incident.objects.filter(behaviour=incident.behaviour, pk__lt=incident.pk, drill=incident.drill)
    same = {"run__lineage": incident.run.lineage} if incident.run.lineage else {"run": incident.run}
    return rows.filter(**same).select_related("run").order_by("-id")[:SEEN_BEFORE]


def related(incident: Incident) -> QuerySet[Incident]:
    """Other incidents of the same run, newest first."""
    rows = Incident.objects.exclude(pk=incident.pk).select_related("run")
    return rows.filter(run=incident.run).order_by("-id")[:SEEN_BEFORE] if incident.run_id else rows.none()


def calls_of(rows: list[Alert]) -> list[ToolCall]:
    """The tool calls that these alerts are joined to, in order of time."""
    found = {call.pk: call for row in rows if (it := alerts.current(row)) and (call := it.tool_call)}
    return sorted(found.values(), key=lambda call: (call.started_at, call.pk))


def calls_near(incident: Incident, *, start: datetime, end: datetime, limit: int = MANY) -> list[ToolCall]:
    """Tool calls of the run that ran between `start` and `end`, oldest first."""
    if incident.run_id is None:
        return []
    rows = ToolCall.objects.filter(
        run=incident.run_id, started_at__gte=start - timedelta(minutes=10), started_at__lte=end
    )
    late = list(rows.order_by("-started_at")[:limit])
    return [call for call in reversed(late) if call.ended_at is None or call.ended_at >= start]


def episodes(rows: list[Alert]) -> list[tuple[Episode, int, int]]:
    """Each episode with a joined call: how many calls it made, and how many of these alerts."""
    joined = [call.episode for row in rows if (it := alerts.current(row)) and (call := it.tool_call)]
    count = Counter(episode.pk for episode in joined if episode)
    found = {episode.pk: episode for episode in joined if episode}
    calls = ToolCall.objects.filter(episode__in=found).order_by().values("episode")
    made = dict(calls.annotate(n=Count("pk")).values_list("episode", "n"))
    return [(episode, made.get(pk, 0), count[pk]) for pk, episode in sorted(found.items(), reverse=True)]


def kept(rows: list[Alert]) -> list[Kept]:
    """The uploads that these alerts came in: signed by hosts, or sent by alert sources."""
    return sorted([*_batches(rows), *_reports(rows)], key=lambda kept: kept.at)


def _batches(rows: list[Alert]) -> list[Kept]:
    ids = list(dict.fromkeys(row.batch_id for row in rows if row.batch_id is not None))[:KEPT]
    found = Batch.objects.filter(pk__in=ids).annotate(size=Length("body")).select_related("agent__host")
    return [
        Kept(
            at=row.received_at,
            title=f"Upload {row.sequence}, signed by the host",
            source=row.agent.host.name,
            size=row.size,
            digest=row.digest,
            ref=f"batch {row.pk}",
        )
        for row in found.defer("body")
    ]


def _reports(rows: list[Alert]) -> list[Kept]:
    rules: dict[int, str] = {}
    for row in rows:
        if row.report_id is not None and isinstance(row.detail, dict):
            rules.setdefault(row.report_id, str(row.detail.get("sensor_rule", "")))
    found = Report.objects.filter(pk__in=list(rules)[:KEPT]).annotate(size=Length("body"))
    return [
        Kept(
            at=row.received_at,
            title=f"{row.source.format} rule {rules[row.pk]}, as it was sent",
            source=row.source.name,
            size=row.size,
            digest=row.digest,
            ref=f"report {row.pk}",
            report=row.pk,
        )
        for row in found.select_related("source").defer("body")
    ]


def digest(text: str) -> str:
    """The hash under which a text is quoted."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
