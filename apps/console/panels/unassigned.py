"""Tool calls of no known run: kept, counted by the run that they name, and assigned when that begins."""

from typing import Any

from django.db.models import Count, Max, QuerySet

from apps.console.panels.spoken import said
from apps.telemetry.models import ToolCall

NAMES, CALLS, COUNT_LIMIT = 50, 60, 10_000


def number() -> int:
    """How many there are, counted up to `COUNT_LIMIT`."""
    return len(_calls().order_by().values_list("pk")[:COUNT_LIMIT])


def listed() -> dict[str, Any]:
    """By the name that they claim, the latest first; and the latest calls."""
    recent = _calls().order_by("-id")
    latest = recent.values("pk")[:COUNT_LIMIT]
    named = ToolCall.every.filter(pk__in=latest).order_by().values("said_run")
    found = named.annotate(n=Count("pk"), last=Max("received_at")).order_by("-last")
    rows = list(recent.select_related("host")[: CALLS + 1])
    return {
        "names": [
            {"said": row["said_run"], "calls": row["n"], "last_at": row["last"]} for row in found[:NAMES]
        ],
        "calls": [{"call": row, "said": said(row)} for row in rows[:CALLS]],
        "calls_cut": len(rows) > CALLS,
        "limit": COUNT_LIMIT,
    }


def _calls() -> QuerySet[ToolCall]:
    return ToolCall.every.filter(run=None, told_as=None)
