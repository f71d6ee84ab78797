"""Reads about rules, and what they have said."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from apps.detection.models import Alert
from apps.detection.rules import RULES
from apps.detection.rules.base import Rule

BY_SLUG: dict[str, Rule] = {rule.slug: rule for rule in RULES}
MOST_SAID = 2_000  # read at most: of a process that raises more, some things are said twice


class AlertSaid(NamedTuple):
    """An alert that was raised about a connection of a process."""

    id: int
    slug: str
    process_id: int
    connection_id: int
    local: str  # of that connection
    remote: str
    correlation_key: bytes
    received_at: datetime
    detail: Any


def said_of(processes: Iterable[int], slugs: Iterable[str], *, since: datetime) -> list[AlertSaid]:
    """What these rules said of connections of these processes, newest first."""
    found = Alert.objects.filter(process__in=list(processes), rule__slug__in=list(slugs))
    names = (
        "pk", "rule__slug", "process_id", "connection_id", "connection__local", "connection__remote",
        "correlation_key", "received_at", "detail",
    )  # fmt: skip
    newest = found.filter(received_at__gt=since, connection__isnull=False).order_by("-pk")
    return [AlertSaid(*row) for row in newest.values_list(*names)[:MOST_SAID]]
