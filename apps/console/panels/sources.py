"""Alert sources: who may send, when each was last heard, and what of it could not be worked off."""

from typing import Any

from django.db.models import Count, Q

from apps.fleet.choices import AlertFormat
from apps.fleet.models import AlertSource
from apps.telemetry.choices import BatchState

SHOWN = 50


def sources() -> dict[str, Any]:
    """The live ones, newest first, each with its reports that nobody could work off."""
    dead = Count("reports", filter=Q(reports__state=BatchState.DEAD))
    rows = AlertSource.objects.filter(revoked_at=None).annotate(dead=dead).order_by("-pk")
    return {"sources": list(rows[:SHOWN]), "formats": AlertFormat.choices}
