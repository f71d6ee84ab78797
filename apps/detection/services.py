"""Findings become alerts: rules are known to the database when they first raise one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from apps.core.bulk import rows, stage
from apps.core.text import storable
from apps.detection.choices import Level
from apps.detection.models import DetectionRule
from apps.detection.selectors import BY_SLUG

MOST_HOST_RULES = 1_000  # hosts, or sources of one format, that invent rules without end get no more
OTHER = "host-other"


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule as the database knows it."""

    id: int
    slug: str
    title: str
    behaviour: str
    level: str
    technique: str


@dataclass(frozen=True, slots=True)
class HostRule:
    """What a host says of a rule that it raises itself."""

    slug: str
    title: str
    family: str
    level: str
    technique: str
    source: str = "host"
    behaviour: str = ""  # what incidents are grouped by; the title, where it is empty


class AlertRow(NamedTuple):
    """An alert on its way into the table. `detail` is JSON text."""

    rule_id: int
    level: str
    title: str
    host_id: int
    run_id: int | None
    process_id: int | None
    connection_id: int | None
    batch_id: int | None
    position: int
    occurred_at: datetime
    received_at: datetime
    correlation_key: bytes
    drill: bool
    detail: str
    report_id: int | None = None

    @property
    def key(self) -> "AlertKey":
        """What there is one alert of."""
        return self.batch_id, self.report_id, self.position, self.rule_id


AlertKey = tuple[int | None, int | None, int, int]  # batch or report, position, rule
_COLUMNS = [
    ("rule_id", "bigint"), ("level", "text"), ("title", "text"), ("host_id", "bigint"), ("run_id", "bigint"),
    ("process_id", "bigint"), ("connection_id", "bigint"), ("batch_id", "bigint"), ("position", "integer"),
    ("occurred_at", "timestamptz"), ("received_at", "timestamptz"), ("correlation_key", "bytea"),
    ("drill", "boolean"), ("detail", "jsonb"), ("report_id", "bigint"),
]  # fmt: skip
_NAMES = ", ".join(name for name, _ in _COLUMNS)
INSERT = """
INSERT INTO detection_alert ({names}) SELECT {names} FROM {table}
    ON CONFLICT DO NOTHING
RETURNING id, batch_id, report_id, position, rule_id
"""


def raise_alerts(found: Iterable[AlertRow]) -> dict[AlertKey, int]:
    """The alerts are there, each once; answers the ids of those that were not there before."""
    lines = list(found)
    if not lines:
        return {}
    inserted = rows(INSERT.format(names=_NAMES, table=stage("alert", _COLUMNS, lines)))
    return {tuple(key): pk for pk, *key in inserted}


def know_rules(slugs: Iterable[str], told: Iterable[HostRule] = ()) -> dict[str, KnownRule]:
    """Every rule of `slugs` (ours) and of `told` (a host's) has its row; answers them by slug.

    A host cannot change what one of our rules, or one that was told before, is called or how bad it is.
    """
    ours = set(slugs)
    theirs = {rule.slug: rule for rule in told if rule.slug not in ours}
    wanted = ours | theirs.keys()
    known = _read(wanted)
    if missing := wanted - known.keys():
        _write([_our_row(slug) for slug in sorted(missing) if slug in BY_SLUG])
        _write(_their_rows([theirs[slug] for slug in sorted(missing) if slug not in BY_SLUG]))
        known = _read(wanted)
        left = wanted - known.keys()
        known |= dict.fromkeys(left, _read({OTHER})[OTHER]) if left else {}
    return known


def _read(slugs: Iterable[str]) -> dict[str, KnownRule]:
    names = ("pk", "slug", "title", "behaviour", "level", "technique")
    found = DetectionRule.objects.filter(slug__in=list(slugs)).values_list(*names)
    return {row[1]: KnownRule(*row) for row in found}


def _write(made: list[DetectionRule]) -> None:
    if made:
        DetectionRule.objects.bulk_create(made, ignore_conflicts=True)


def _our_row(slug: str) -> DetectionRule:
    rule = BY_SLUG[slug]
    return DetectionRule(
        slug=slug,
        version=rule.version,
        title=rule.title,
        family=rule.family,
        behaviour=rule.behaviour,
        level=rule.level,
        technique=rule.technique,
    )


def _their_rows(told: list[HostRule]) -> list[DetectionRule]:
    kept: list[HostRule] = []
    for source in sorted({rule.source for rule in told}):
        free = MOST_HOST_RULES - DetectionRule.objects.filter(source=source).count()
        kept += [rule for rule in told if rule.source == source][: max(free, 0)]
    if len(kept) < len(told):
        kept = [*kept, HostRule(OTHER, "Alert without a rule of its own", "host", Level.MEDIUM, "")]
    return [
        DetectionRule(
            slug=storable(rule.slug, limit=80),
            title=storable(rule.title, limit=200),
            family=storable(rule.family, limit=40),
            behaviour=storable(rule.behaviour or rule.title, limit=60),
            level=rule.level,
            technique=storable(rule.technique, limit=16),
            source=rule.source,
        )
        for rule in kept
    ]
