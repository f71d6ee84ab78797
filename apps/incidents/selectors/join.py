"""The join: tool call, process, connection, alert; in order of time, with what it rests on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.attribution.hypotheses import Hypothesis, Told, weigh
from apps.attribution.models import Attribution
from apps.detection.models import Alert
from apps.incidents.models import Incident
from apps.incidents.selectors import alerts
from apps.telemetry.models import Connection, Process

UNSEEN = "Not looked at yet: the alert was stored, the join has not run."


@dataclass(frozen=True, slots=True)
class Fact:
    """One knot of the thread. `what` is hostile text."""

    kind: str  # call | process | connection | alert
    at: datetime
    delta_ms: float
    label: str
    what: Any
    row: Any


@dataclass(frozen=True, slots=True)
class Join:
    """What the incident's strongest tie looks like, and what is missing from it."""

    alert: Alert | None
    attribution: Attribution | None
    facts: list[Fact]
    basis: list[dict[str, Any]]
    missing: list[str]
    clock_error_ms: float | None
    hypotheses: list[Hypothesis]

    @property
    def end_to_end_ms(self) -> float | None:
        """From the first knot to the last."""
        return self.facts[-1].delta_ms if len(self.facts) > 1 else None

    @property
    def joined(self) -> bool:
        """Whether a tool call is among them."""
        return any(fact.kind == "call" for fact in self.facts)


def of(incident: Incident, rows: list[Alert] | None = None) -> Join:
    """The join of `incident`, drawn for its key alert."""
    rows = alerts.near(incident) if rows is None else rows
    alert = alerts.key_alert(rows)
    found = alerts.current(alert) if alert else None
    return Join(
        alert=alert,
        attribution=found,
        facts=thread(alert, found) if alert else [],
        basis=list(found.basis) if found else [],
        missing=[str(item) for item in found.missing] if found else [UNSEEN],
        clock_error_ms=found.clock_error_ms if found else None,
        hypotheses=hypotheses(rows),
    )


def glance(incident: Incident) -> Join:
    """The join alone, for a pane that weighs no hypotheses: one alert is read, and not all that are near."""
    alert = alerts.key(incident)
    return of(incident, [alert] if alert else [])


def thread(alert: Alert, found: Attribution | None) -> list[Fact]:
    """The knots in order of time; the first is the origin of all the deltas."""
    knots: list[tuple[str, datetime, str, Any, Any]] = [("alert", alert.occurred_at, alert.title, "", alert)]
    if alert.connection:
        knots.append(_connection(alert.connection))
    call = found.tool_call if found else None
    if process := alert.process or (found.process if found else None):
        knots.append(_process(process, seen=alert.occurred_at))
    if call:
        knots.append(("call", call.started_at, f"Tool call {call.name}", call.arguments, call))
    # By time and not by kind: a process that was there before the call has to look like it.
    order = {"call": 0, "process": 1, "connection": 2, "alert": 3}
    knots.sort(key=lambda knot: (knot[1], order[knot[0]]))
    origin = knots[0][1]
    return [Fact(kind, at, (at - origin).total_seconds() * 1000, *rest) for kind, at, *rest in knots]


def hypotheses(rows: list[Alert]) -> list[Hypothesis]:
    """Each way it may have come about, with what the attributions of `rows` say for and against it."""
    return weigh([_told(row, found) for row in rows if (found := alerts.current(row))])


def _told(alert: Alert, found: Attribution) -> Told:
    seen = alert.process_id is not None or found.process_id is not None
    return Told(found.origin, found.strength, found.basis, found.missing, seen)


def _process(row: Process, *, seen: datetime) -> tuple[str, datetime, str, Any, Any]:
    """Since it runs its program; where it had run another one when the alert was raised, since it began."""
    since = row.executed_at if row.executed_at <= seen else row.started_at
    return "process", since, f"Process {row.pid}", row.argv or row.exe, row


def _connection(row: Connection) -> tuple[str, datetime, str, Any, Any]:
    return "connection", row.opened_at, "Connection", row.remote or row.local, row
