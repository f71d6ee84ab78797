"""Alerts find their incident, or open one. Two calls around the insert of the alerts: `join`, then `grow`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from apps.attribution.choices import Origin
from apps.audit.services import SYSTEM, Subject, record
from apps.core.bulk import rows, run, stage
from apps.core.locks import Lock, take
from apps.detection.choices import RANK
from apps.incidents import spans
from apps.incidents.choices import Status
from apps.incidents.keys import Group
from apps.incidents.models import Incident, StatusChange

TOLD = 5  # a change of confidence by so much stands in the history


@dataclass(frozen=True, slots=True)
class Leaning:
    """What the attribution of one alert says about its incident."""

    origin: str
    strength: int
    before: tuple[str, int] | None = None  # what it said until now
    because: str = ""
    run_id: int | None = None  # of the process that was found to have done it


@dataclass(slots=True)
class Leanings:
    """Which way attributions lean: of new alerts by correlation key, of earlier ones by alert."""

    by_key: dict[bytes, list[Leaning]] = field(default_factory=dict)
    by_alert: dict[int, Leaning] = field(default_factory=dict)


@dataclass(slots=True)
class Joined:
    """The incidents of a lot: by key, and which of them are new."""

    by_key: dict[bytes, int] = field(default_factory=dict)
    opened: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Grown:
    """What became of one incident."""

    incident_id: int
    run_id: int | None
    opened: bool
    count: int
    level: str
    changed: list[str] = field(default_factory=list)


def join(groups: Sequence[Group]) -> Joined:
    """Every group has an open incident, which nobody can close before this transaction ends.

    Call it before the alerts are inserted.
    """
    if not groups:
        return Joined()
    keys = sorted(group.key for group in groups)
    if not spans.all_open(keys):
        take(Lock.OPENING)
    joined = Joined(spans.share_open(keys))
    missing = [group for group in groups if group.key not in joined.by_key]
    if missing:
        _open(missing, joined)
    return joined


def _open(groups: list[Group], joined: Joined) -> None:
    before = spans.closed_before(group.key for group in groups)
    now = timezone.now()
    made = Incident.objects.bulk_create([_incident(group, before.get(group.key), now) for group in groups])
    pairs = [(group.key, incident.pk) for group, incident in zip(groups, made, strict=True)]
    spans.open_spans(pairs)
    joined.by_key.update(pairs)
    joined.opened.update(incident.pk for incident in made)


def _incident(group: Group, follows: int | None, now: datetime) -> Incident:
    assert group.first_at is not None and group.last_at is not None  # noqa: S101 - a group has an alert
    return Incident(
        title=group.title,
        behaviour=group.behaviour[:60],
        technique=group.technique[:16],
        level=group.level,
        rank=RANK[group.level],
        status=Status.NEW,
        run_id=group.run_id,
        drill=group.drill,
        follows_id=follows,
        first_alert_at=group.first_at,
        last_alert_at=group.last_at,
        opened_at=now,
        changed_at=now,
    )


def grow(groups: Sequence[Group], joined: Joined, leanings: Leanings) -> list[Grown]:
    """The incidents count their new alerts, know their hosts, and lean as their best attribution does;
    so do those of earlier alerts that were attributed anew. Answers those of which something changed.

    Call it after the alerts are inserted, with what of them was new.
    """
    counted = [group for group in groups if group.count]
    earlier = _of_alerts(leanings.by_alert)
    ids = {joined.by_key[group.key] for group in counted} | set(earlier)
    if not ids:
        return []
    # All of them at once and in one order: two workers never wait for each other in a circle.
    locked = Incident.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    kept = {incident.pk: incident for incident in locked}
    _count(counted, joined)
    _note_hosts(counted, joined)
    grown = {pk: Grown(pk, one.run_id, pk in joined.opened, 0, one.level) for pk, one in kept.items()}
    for group in counted:
        pk = joined.by_key[group.key]
        grown[pk].count += group.count
        _grade(kept[pk], group.level, grown[pk])
        _lean(kept[pk], leanings.by_key.get(group.key, ()), grown[pk])
    for pk, found in earlier.items():
        _lean(kept[pk], found, grown[pk])
        _find_run(kept[pk], found, grown[pk])
    _say_opened([kept[pk] for pk in sorted(joined.opened & kept.keys())])
    return [one for one in grown.values() if one.opened or one.count or one.changed]


COUNT = """
UPDATE incidents_incident i
   SET alert_count = i.alert_count + s.alerts, changed_at = %s,
       first_alert_at = LEAST(i.first_alert_at, s.first_at),
       last_alert_at = GREATEST(i.last_alert_at, s.last_at)
  FROM (SELECT incident_id, sum(alerts) AS alerts, min(first_at) AS first_at, max(last_at) AS last_at
          FROM {table} GROUP BY incident_id) s
 WHERE i.id = s.incident_id
"""


def _count(groups: Sequence[Group], joined: Joined) -> None:
    if not groups:
        return
    columns = [
        ("incident_id", "bigint"),
        ("alerts", "bigint"),
        ("first_at", "timestamptz"),
        ("last_at", "timestamptz"),
    ]
    lines = [(joined.by_key[group.key], group.count, group.first_at, group.last_at) for group in groups]
    run(COUNT.format(table=stage("growth", columns, sorted(lines))), [timezone.now()])


def _note_hosts(groups: Sequence[Group], joined: Joined) -> None:
    pairs = sorted({(joined.by_key[group.key], host) for group in groups for host in group.hosts})
    run(
        """INSERT INTO incidents_incidenthost (incident_id, host_id)
           SELECT * FROM unnest(%s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING""",
        [[pair[0] for pair in pairs], [pair[1] for pair in pairs]],
    )


def _grade(incident: Incident, level: str, one: Grown) -> None:
    """The level is the worst of the alerts, until a person has said otherwise."""
    if RANK[level] <= incident.rank:
        return
    changes = StatusChange.objects.filter(incident=incident, field="level")
    if changes.exclude(by=SYSTEM.name).exists():
        return
    before, incident.level, incident.rank = incident.level, level, RANK[level]
    incident.save(update_fields=["level", "rank"])
    StatusChange.objects.create(incident=incident, field="level", before=before, after=level, by=SYSTEM.name)
    one.level = level
    one.changed.append("level")


def _lean(incident: Incident, leanings: Iterable[Leaning], one: Grown) -> None:
    """The incident's origin and confidence are those of its strongest attribution, as it stands now."""
    told = list(leanings)
    fallen = any(was.before and was.before[1] >= incident.confidence > was.strength for was in told)
    if fallen:
        origin, strength = _strongest(incident)
    else:
        best = max(told, key=lambda leaning: leaning.strength, default=None)
        if best is None or best.origin == Origin.UNKNOWN or best.strength <= incident.confidence:
            return
        origin, strength = best.origin, best.strength
    if (incident.origin, incident.confidence) == (origin, strength):
        return
    before, sure = incident.origin, incident.confidence
    incident.origin, incident.confidence = origin, strength
    incident.save(update_fields=["origin", "confidence"])
    because = next((was.because for was in told if was.because), "")
    _say_leaning(incident, before, sure, because)
    one.changed.append("origin")


def _find_run(incident: Incident, told: Iterable[Leaning], one: Grown) -> None:
    """An incident of a host is one of a run once its process was found: so that the run can be stopped."""
    run = next((was.run_id for was in told if was.run_id is not None), None)
    if incident.run_id is not None or run is None:
        return
    incident.run_id = one.run_id = run
    incident.save(update_fields=["run"])
    StatusChange.objects.create(
        incident=incident, field="run", after=str(incident.run)[:150], by=SYSTEM.name,
        note=next((was.because for was in told if was.because), ""),
    )  # fmt: skip
    one.changed.append("run")


def _say_leaning(incident: Incident, before: str, sure: int, because: str) -> None:
    """The history has it when somebody else did it, and when the same became much surer or less sure."""
    now = Origin(incident.origin)
    if before != now:
        StatusChange.objects.create(
            incident=incident, field="origin", before=before, after=now, by=SYSTEM.name, note=because
        )
    elif abs(incident.confidence - sure) >= TOLD and because:
        said = [f"{now.label} {value} %" for value in (sure, incident.confidence)]
        StatusChange.objects.create(
            incident=incident, field="join", before=said[0], after=said[1], by=SYSTEM.name, note=because
        )


# Of an incident with a million alerts the latest are enough: it leans as its strongest did until then.
STRONGEST = """
SELECT t.origin, t.strength
  FROM (SELECT a.id FROM incidents_incidentspan s
          JOIN detection_alert a ON a.correlation_key = s.key AND a.id >= s.first_alert_id
           AND (s.last_alert_id IS NULL OR a.id <= s.last_alert_id)
         WHERE s.incident_id = %s ORDER BY a.id DESC LIMIT 5000) latest
  JOIN attribution_attribution t ON t.alert_id = latest.id AND t.superseded_at IS NULL
 WHERE t.origin <> 'unknown' ORDER BY t.strength DESC LIMIT 1
"""


def _strongest(incident: Incident) -> tuple[str, int]:
    found = rows(STRONGEST, [incident.pk])
    return found[0] if found else (Origin.UNKNOWN.value, 0)


def _say_opened(opened: Sequence[Incident]) -> None:
    StatusChange.objects.bulk_create(
        StatusChange(incident=one, field="opened", after=one.level, by=SYSTEM.name) for one in opened
    )
    for one in opened:
        record(
            "incident.opened",
            by=SYSTEM,
            subject=Subject("incident", str(one.pk), one.number),
            drill=one.drill,
            title=one.title,
            level=one.level,
            follows=one.follows_id,
        )


OF_ALERTS = """
SELECT DISTINCT a.id, s.incident_id
  FROM detection_alert a
  JOIN incidents_incidentspan s ON s.key = a.correlation_key AND a.id >= s.first_alert_id
   AND (s.last_alert_id IS NULL OR a.id <= s.last_alert_id)
 WHERE a.id = ANY(%s)
"""


def _of_alerts(leanings: Mapping[int, Leaning]) -> dict[int, list[Leaning]]:
    """What was concluded anew, by incident."""
    found: dict[int, list[Leaning]] = {}
    for alert, incident in rows(OF_ALERTS, [list(leanings)]) if leanings else ():
        found.setdefault(incident, []).append(leanings[alert])
    return found
