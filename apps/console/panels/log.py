"""Lines of a log: what happened, in order of time, newest first."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.urls import reverse

from apps.attribution.choices import Origin
from apps.console.panels.case import Case
from apps.console.panels.spoken import spoken
from apps.console.templatetags.untrusted import as_text
from apps.core.text import visible
from apps.detection.models import Alert
from apps.incidents.models import Annotation, StatusChange
from apps.incidents.selectors import story
from apps.response.models import ContainmentOrder, Receipt
from apps.response.selectors import reached
from apps.telemetry.models import ToolCall

Entry = dict[str, Any]
SHOWN = 200
GLYPHS = {
    "status": "ongoing",
    "owner": "take",
    "level": "escalating",
    "verdict": "closed",
    "origin": "model",
    "judged": "hand",
    "join": "flow",
    "run": "runs",
    "opened": "plus",
    "grew": "escalating",
}
WORDS = {
    "owner": "Owner",
    "level": "Level",
    "status": "Status",
    "verdict": "Verdict",
    "origin": "Origin",
    "judged": "Who did it",
    "join": "The join",
    "run": "Run",
}

__all__ = ["SHOWN", "as_text", "of_change", "of_incident"]


def of_incident(case: Case) -> list[Entry]:
    """Everything that is known to have happened, newest first."""
    incident = case.incident
    entries = [_alert(row) for row in case.rows]
    entries += [_call(row) for row in story.calls_of(case.rows)]
    entries += [of_change(row) for row in story.history(incident)]
    entries += [_note(row) for row in story.annotations(incident)]
    orders = ContainmentOrder.objects.filter(incident=incident).select_related("by", "run")
    entries += [_order(row) for row in orders]
    receipts = Receipt.objects.filter(target__order__in=orders).select_related(
        "target__host", "target__order"
    )
    entries += _receipts(list(receipts.order_by("target", "seq")[:SHOWN]))
    return sorted(entries, key=lambda entry: entry["at"], reverse=True)


def of_change(row: StatusChange) -> Entry:
    """One move of status, owner, level or verdict."""
    word = WORDS.get(row.field)
    says = f"{word}: {row.before or 'none'} → {row.after or 'none'}" if word else (row.after or row.field)
    return {
        "at": row.at,
        "about": f"change:{row.pk}",
        "glyph": GLYPHS.get(row.field, "ongoing"),
        "who": row.by,
        "says": f"{says}. {row.note}" if row.note else says,
    }


def _alert(row: Alert) -> Entry:
    what = row.process.argv if row.process else (row.connection.remote if row.connection else "")
    return {
        "at": row.occurred_at,
        "about": f"alert:{row.pk}",
        "glyph": f"sev-{row.level}",
        "sev": row.level,
        "says": row.title,
        "code": what,
        "ref": visible(row.host.name, limit=60),
    }


def _call(row: ToolCall) -> Entry:
    return {
        "at": row.started_at,
        "about": f"call:{row.pk}",
        "glyph": "model",
        "origin": Origin.MODEL.value,
        "says": f"Tool call {row.name}",
        "code": spoken(row.arguments),
        "ref": visible(row.episode.native_id, limit=60) if row.episode else "",
    }


def _note(row: Annotation) -> Entry:
    return {
        "at": row.at,
        "about": f"note:{row.pk}",
        "glyph": "annotate",
        "who": row.by.shown,
        "says": row.text,
    }


def _order(row: ContainmentOrder) -> Entry:
    return {
        "at": row.requested_at,
        "about": f"order:{row.pk}",
        "glyph": "kill" if row.action == "KILL" else "pause",
        "act": row.action.lower(),
        "who": row.by.shown,
        "says": f"ordered {row.get_action_display()}: {row.reason}",
        "ref": row.number,
        "url": reverse("order", args=[row.pk]),
    }


def _receipts(rows: list[Receipt]) -> list[Entry]:
    """Each where its step was reached, as the order page has it: a result arrives before the steps to it."""
    entries = []
    for _, group in groupby(rows, key=lambda row: row.target_id):
        mine = list(group)
        order = mine[0].target.order
        at = {
            stage: order.requested_at + timedelta(milliseconds=ms)
            for stage, ms in reached(order, mine).items()
        }
        # A stage that comes again, or that was not believed, stands where it came in
        entries += [_receipt(row, at.pop(row.stage, row.received_at)) for row in mine]
    return entries


def _receipt(row: Receipt, at: datetime) -> Entry:
    order = row.target.order
    return {
        "at": at,
        "glyph": "check",
        "who": visible(row.target.host.name, limit=60),
        "says": f"signed: {row.get_stage_display().lower()}",
        "ref": order.number,
        "url": reverse("order", args=[order.pk]),
    }
