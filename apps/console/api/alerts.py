"""Alerts: facts, with the process and the tool call that they were joined to."""

from datetime import datetime
from typing import Annotated, Any

from django.urls import reverse
from ninja import Query, Router, Schema

from apps.accounts.roles import Right
from apps.attribution.models import Attribution
from apps.console.api.bearer import Bearer, ScriptRequest, found
from apps.console.api.incidents import incident_of
from apps.console.api.problems import ERRORS
from apps.console.api.shapes import PAGE, Before, HostRef, Id, RunRef, Size, next_of
from apps.detection.models import Alert
from apps.incidents.selectors import alerts
from apps.telemetry.models import Process, Report, ToolCall

router = Router(tags=["alerts"], auth=Bearer(Right.VIEW))
Filter = Annotated[int | None, Query(ge=1, lt=2**63)]


class ProcessShape(Schema):
    """A process, named by pid and start time. Everything in it is hostile text."""

    pid: int
    start_ticks: int
    ppid: int
    argv: list[str]
    exe: str
    cwd: str
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Process | None) -> "ProcessShape | None":
        return cls.from_orm(row) if row else None


class ToolCallShape(Schema):
    """A tool call of the agent under training. Name and arguments are hostile text."""

    id: int
    name: str
    call_id: str
    arguments: str
    arguments_captured: bool
    episode: str | None
    global_step: int | None
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: ToolCall | None) -> "ToolCallShape | None":
        if row is None:
            return None
        names = (
            "name",
            "call_id",
            "arguments",
            "arguments_captured",
            "global_step",
            "started_at",
            "ended_at",
        )
        episode = row.episode.native_id if row.episode else None
        return cls(id=row.pk, episode=episode, **{name: getattr(row, name) for name in names})


class AttributionShape(Schema):
    """What was concluded, how strongly (0 to 100), from what, and what could not be seen."""

    origin: str
    strength: int
    clock_error_ms: float | None
    delta_ms: float | None
    basis: list[Any]
    missing: list[Any]
    tool_call: ToolCallShape | None

    @classmethod
    def of(cls, row: Attribution | None) -> "AttributionShape | None":
        if row is None:
            return None
        names = ("origin", "strength", "clock_error_ms", "delta_ms", "basis", "missing")
        call = ToolCallShape.of(row.tool_call)
        return cls(tool_call=call, **{name: getattr(row, name) for name in names})


class ReportShape(Schema):
    """What an alert source sent, by the hash of its bytes; a signed-in person gets them at `original`."""

    id: int
    source: str
    format: str
    sha256: str
    original: str

    @classmethod
    def of(cls, row: Report | None) -> "ReportShape | None":
        if row is None:
            return None
        where = reverse("report_original", args=[row.pk])
        source = row.source
        return cls(id=row.pk, source=source.name, format=source.format, sha256=row.digest, original=where)


class AlertShape(Schema):
    """An alert. `attribution` is null while nobody has looked, `report` where a host told of it."""

    id: int
    rule: str
    title: str
    level: str
    behaviour: str
    technique: str
    host: HostRef
    run: RunRef | None
    process: ProcessShape | None
    attribution: AttributionShape | None
    report: ReportShape | None
    drill: bool
    occurred_at: datetime
    received_at: datetime
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: Alert) -> "AlertShape":
        plain = {name: getattr(row, name) for name in ("title", "level", "drill", "detail")}
        times = {name: getattr(row, name) for name in ("occurred_at", "received_at")}
        return cls(
            id=row.pk,
            rule=row.rule.slug,
            behaviour=row.rule.behaviour,
            technique=row.rule.technique,
            host=HostRef.of(row.host),
            run=RunRef.of(row.run),
            process=ProcessShape.of(row.process),
            attribution=AttributionShape.of(alerts.current(row)),
            report=ReportShape.of(row.report),
            **plain,
            **times,
        )


class AlertPage(Schema):
    """Alerts, newest first, and the cursor of those before them."""

    items: list[AlertShape]
    next: int | None

    @classmethod
    def of(cls, rows: list[Alert], size: int) -> "AlertPage":
        return cls(
            items=[AlertShape.of(row) for row in rows[:size]], next=next_of([row.pk for row in rows], size)
        )


@router.get("/alerts", response={200: AlertPage, **ERRORS})
def list_alerts(
    request: ScriptRequest, run: Filter = None, host: Filter = None, before: Before = None, size: Size = PAGE
) -> AlertPage:
    """Alerts of the fleet, of a run or of a host, newest first."""
    return AlertPage.of(alerts.newest(run=run, host=host, before=before, size=size + 1), size)


@router.get("/alerts/{alert_id}", response={200: AlertShape, **ERRORS})
def get_alert(request: ScriptRequest, alert_id: Id) -> AlertShape:
    """One alert."""
    return AlertShape.of(found(alerts.one(alert_id)))


@router.get("/incidents/{incident_id}/alerts", response={200: AlertPage, **ERRORS})
def list_incident_alerts(
    request: ScriptRequest, incident_id: Id, before: Before = None, size: Size = PAGE
) -> AlertPage:
    """Alerts of one incident, newest first."""
    return AlertPage.of(alerts.page(incident_of(incident_id), before=before, size=size + 1), size)
