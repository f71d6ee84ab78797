"""The rules that are part of the program, and how often each spoke."""

from collections import defaultdict
from datetime import timedelta
from operator import itemgetter
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.accounts.roles import Right
from apps.console.access import Signed, page
from apps.console.context import feed_cursor
from apps.detection.models import DetectionRule
from apps.detection.rules import RULES
from apps.incidents.selectors import pulse

COUNT_LIMIT = 10_000
PERIOD = timedelta(days=30)
# Through the index on the rule, newest first, and never further than the limit.
_COUNTS = """
SELECT rule.slug, few.n, few.drills, few.last_at
FROM detection_detectionrule AS rule CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE NOT drill) AS n, count(*) FILTER (WHERE drill) AS drills,
         max(received_at) AS last_at
  FROM (
    SELECT drill, received_at FROM detection_alert WHERE rule_id = rule.id AND id >= %s LIMIT %s
  ) AS part_of
) AS few
"""


@page(Right.VIEW)
def rules_page(request: Signed) -> HttpResponse:
    """Every rule by family: what it says, how bad, and how often in thirty days."""
    counted = _counted()
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for rule in RULES:
        families[rule.family].append(_line(rule, "sentinel", counted))
    known = {rule.slug for rule in RULES}
    for row in DetectionRule.objects.exclude(slug__in=known).order_by("slug"):
        families[row.family].append(_line(row, row.source, counted))
    context = {
        "section": "rules",
        "cursor": feed_cursor(),
        "families": [_family(name, lines) for name, lines in sorted(families.items())],
    }
    return render(request, "console/rules/page.html", context)


def _family(name: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name.capitalize(), "words": "", "rules": sorted(lines, key=itemgetter("slug"))}


def _line(rule: Any, source: str, counted: dict[str, tuple[int, int, Any]]) -> dict[str, Any]:
    number, drills, last = counted.get(rule.slug, (0, 0, None))
    return {
        "slug": rule.slug,
        "version": rule.version,
        "title": rule.title,
        "level": rule.level,
        "technique": rule.technique,
        "behaviour": rule.behaviour,
        "source": source,
        "alerts": number,
        "drill_alerts": drills,
        "last_at": last,
        "needs": "",
    }


def _counted() -> dict[str, tuple[int, int, Any]]:
    first = pulse.first_since([timezone.now() - PERIOD])[0]
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [first, COUNT_LIMIT])
        return {slug: (number, drills, last) for slug, number, drills, last in cursor.fetchall()}
