"""The tool calls of a run: page by page, filtered, each with the alerts that were joined to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime

from apps.attribution.choices import Origin
from apps.attribution.models import Attribution
from apps.console.panels.spoken import said
from apps.fleet.models import TrainingRun
from apps.telemetry.models import ToolCall

Context = dict[str, Any]
PAGE = 40
SEARCHED = 50_000  # newest calls that a filter looks through: a run makes millions
TOOLS = 2_000  # newest calls whose tools are offered
RESTS = {  # what ties an alert to a call, in a word
    "traceparent": "trace context",
    "ancestry": "parent process",
    "membership": "cgroup",
    "command": "command words",
    "sandbox": "sandbox",
    "neighbours": "shared sandbox",
    "flow": "connection",
    "own_text": "text of the call",
    "time": "time",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: of one tool, with a text, with alerts; before a moment and id, where somebody paged."""

    tool: str = ""
    text: str = ""
    alerts: bool = False
    before: tuple[datetime, int] | None = None
    cursor: str = ""

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.tool or self.text or self.alerts)


def wanted(query: Mapping[str, str]) -> Wanted:
    """As a browser asks; what makes no sense is not asked for."""
    cursor = query.get("before", "")[:60]
    stamp, _, number = cursor.rpartition("~")
    moment = _moment(stamp)
    known = moment is not None and number.isdecimal() and len(number) < 19
    return Wanted(
        tool=query.get("tool", "")[:200].replace("\x00", ""),
        text=query.get("text", "").strip()[:200].replace("\x00", ""),
        alerts=query.get("alerts", "") == "1",
        before=(moment, int(number)) if moment and known else None,
        cursor=cursor if known else "",
    )


def calls(run: TrainingRun, want: Wanted | None = None) -> Context:
    """Newest first."""
    want = want or Wanted()
    rows = list(_rows(run, want)[: PAGE + 1])
    shown = rows[:PAGE]
    joined, models = _joined(run, shown)
    last = shown[-1] if len(rows) > PAGE else None
    return {
        "run": run,
        "want": want,
        "searched": SEARCHED if want.filtered else None,
        "older": f"{last.started_at.isoformat()}~{last.pk}" if last else "",
        "calls": [
            {
                "call": call,
                "said": said(call),
                "took_ms": _took(call),
                "alerts": joined.get(call.pk, []),
                "model": call.pk in models,
            }
            for call in shown
        ],
    }


def tools(run: TrainingRun) -> list[str]:
    """Names of the tools that were called lately."""
    newest = _told(run).order_by("-started_at").values_list("name", flat=True)[:TOOLS]
    return sorted(set(newest))[:100]


def _rows(run: TrainingRun, want: Wanted) -> QuerySet[ToolCall]:
    rows = _told(run)
    if want.before:
        moment, number = want.before
        rows = rows.filter(started_at__lte=moment).exclude(started_at=moment, pk__gte=number)
    if want.filtered:
        near = rows.order_by("-started_at").values("pk")[:SEARCHED]
        rows = ToolCall.every.filter(pk__in=near)
    if want.tool:
        rows = rows.filter(name=want.tool)
    if want.text:
        rows = rows.filter(Q(arguments__icontains=want.text) | Q(name__icontains=want.text))
    if want.alerts:
        mine = Q(tool_call=OuterRef("pk")) | Q(tool_call__told_as=OuterRef("pk"))
        rows = rows.filter(Exists(_ties(run).filter(mine)))
    return rows.order_by("-started_at", "-pk")


def _told(run: TrainingRun) -> QuerySet[ToolCall]:
    """Each call once, whatever it is known from."""
    return ToolCall.every.filter(run=run, told_as=None)


def _ties(run: TrainingRun) -> QuerySet[Attribution]:
    """Not what only happened on the same host at that time."""
    return Attribution.objects.filter(Q(alert__run=run) | Q(origin=Origin.MODEL), superseded_at=None)


def _joined(run: TrainingRun, shown: list[ToolCall]) -> tuple[dict[int, list[Context]], set[int]]:
    """By call its alerts, and the calls from which one came by the model's hand."""
    joined: dict[int, list[Context]] = {}
    models: set[int] = set()
    mine = Q(tool_call__in=shown) | Q(tool_call__told_as__in=shown)
    found = _ties(run).filter(mine).select_related("alert", "tool_call")
    for row in found.order_by("-alert__rule__level", "alert_id")[:500]:
        rests = ", ".join(_rests(item) for item in row.basis[:3] if isinstance(item, dict))
        hit = {"alert": row.alert, "delta_ms": row.delta_ms, "rests_on": rests}
        place = (row.tool_call.told_as_id or row.tool_call.pk) if row.tool_call else 0
        joined.setdefault(place, []).append(hit)
        if row.origin == Origin.MODEL:
            models.add(place)
    return joined, models


def _rests(item: Context) -> str:
    name = str(item.get("matcher", ""))
    return RESTS.get(name, name)


def _took(call: ToolCall) -> float | None:
    return (call.ended_at - call.started_at).total_seconds() * 1000 if call.ended_at else None


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo else None
