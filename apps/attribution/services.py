"""Alerts get their attribution; a better one supersedes it when more has become known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from apps.attribution.case import Conclusion
from apps.attribution.conclude import conclude
from apps.attribution.selectors import again
from apps.attribution.selectors.cases import Subject, cases
from apps.core.bulk import copy, rows, run
from apps.core.jsontext import json_text
from apps.fleet.selectors import RunBook

SETTLED, CERTAIN = 90, 100  # from the first on a tool call that comes later is not asked
OFF = timedelta(minutes=5)  # how far a sensor on the wire and a host may be apart
MOST_AGAIN = 500
BEFORE, AFTER = timedelta(seconds=2), timedelta(seconds=600)

_COLUMNS = (
    "alert_id", "tool_call_id", "process_id", "origin", "strength", "clock_error_ms", "delta_ms", "basis",
    "missing", "made_at",
)  # fmt: skip

SUPERSEDE = """
UPDATE attribution_attribution SET superseded_at = %s WHERE alert_id = ANY(%s) AND superseded_at IS NULL
"""


class Before(NamedTuple):
    """What had been concluded."""

    call_id: int | None
    origin: str
    strength: int


@dataclass(frozen=True, slots=True)
class Attributed:
    """What was concluded about one alert, and what before; whose signs were weighed, and of which run."""

    alert_id: int
    conclusion: Conclusion
    before: Before | None = None
    process_id: int | None = None
    run_id: int | None = None


@dataclass(slots=True)
class News:
    """What has become known: tool calls, and what hosts saw earlier than they could say it."""

    calls: list[int] = field(default_factory=list)
    processes: dict[int, list[datetime]] = field(default_factory=dict)  # of late batches, by host
    sockets: list[datetime] = field(default_factory=list)

    @property
    def because(self) -> str:
        """In words, for the history."""
        told = ["tool calls"] * bool(self.calls) + ["processes"] * bool(self.processes)
        told += ["connections"] * bool(self.sockets)
        return f"More became known: {', '.join(told)}."


def attribute(subjects: Sequence[Subject], *, book: RunBook) -> list[Attributed]:
    """Each of these new alerts has its first attribution; one that says "unknown" is one too, with its
    reason."""
    if not subjects:
        return []
    made = _concluded(subjects, book)
    _store(subjects, made)
    return made


def attribute_again(news: News, *, book: RunBook, apart: list[int]) -> list[Attributed]:
    """More has become known: alerts around it are looked at again, but for `apart`.

    Answers those whose conclusion is now another; the former one is superseded and stays. What came later
    may weaken a conclusion as well: a second tool call that was open, a sign-in among the ancestors.
    """
    subjects = {subject.alert_id: subject for found in _around(news, apart) for subject in found}
    if not subjects:
        return []
    before = _current(sorted(subjects))
    if late := [pk for pk in subjects if pk not in before]:
        before |= _current(late)  # superseded while this waited for the row: what stands there now
    ordered = [subjects[pk] for pk in sorted(subjects)]
    made = _concluded(ordered, book)
    pairs = [
        (subject, replace(one, before=before.get(subject.alert_id)))
        for subject, one in zip(ordered, made, strict=True)
        if _differs(one.conclusion, before.get(subject.alert_id))
    ]
    if not pairs:
        return []
    run(SUPERSEDE, [timezone.now(), [subject.alert_id for subject, _ in pairs]])
    _store([subject for subject, _ in pairs], [one for _, one in pairs])
    return [one for _, one in pairs]


def _concluded(subjects: Sequence[Subject], book: RunBook) -> list[Attributed]:
    bare: dict[tuple[int | None, float | None, tuple[str, ...]], Conclusion] = {}
    made = []
    for subject, case in zip(subjects, cases(subjects, book=book), strict=True):
        if case.line or case.calls or case.flow:
            found = conclude(case)
        elif (alike := (case.run_id, case.clock_error_ms, case.blind)) in bare:
            found = bare[alike]
        else:  # a burst of alerts that name no process, with no tool call near: all have this conclusion
            found = bare[alike] = conclude(case)
        process = case.held.process_id if case.held else subject.process_id
        made.append(Attributed(subject.alert_id, found, None, process, case.run_id))
    return made


def _store(subjects: Sequence[Subject], made: Sequence[Attributed]) -> None:
    """None of them has a current one: the alert is of this transaction, or its former one was superseded."""
    now = timezone.now()
    texts: dict[int, tuple[str, str]] = {}
    lines = []
    for subject, one in zip(subjects, made, strict=True):
        what = one.conclusion
        if (said := texts.get(id(what))) is None:
            said = texts[id(what)] = (json_text(what.basis), json_text(what.missing))
        call = what.call.id if what.call else None
        measured = (what.strength, subject.clock_error_ms, what.delta_ms)
        lines.append((one.alert_id, call, one.process_id, str(what.origin), *measured, *said, now))
    copy("attribution_attribution", _COLUMNS, lines)


def _around(news: News, apart: list[int]) -> Iterator[list[Subject]]:
    """Alerts of which `news` may tell more."""
    around = again.span_of(news.calls) if news.calls else []
    for place, of in (
        ("run", {row.run_id: row for row in around if row.run_id is not None}),
        ("host", {row.host_id: row for row in around if row.host_id is not None}),
    ):
        if not of:
            continue
        yield again.unsettled(
            place,
            of,
            first=min(row.first for row in around) - BEFORE,
            last=max(row.last for row in around) + AFTER,
            below=SETTLED,
            apart=apart,
            most=MOST_AGAIN,
        )
    for host, moments in news.processes.items():
        span = {"first": min(moments) - BEFORE, "last": max(moments) + AFTER}
        yield again.unsettled("host", [host], below=CERTAIN, apart=apart, most=MOST_AGAIN, **span)
    if news.sockets:
        span = {"first": min(news.sockets) - OFF, "last": max(news.sockets) + OFF}
        yield again.unowned(apart=apart, most=MOST_AGAIN, **span)


def _current(alerts: list[int]) -> dict[int, Before]:
    found = rows(
        """SELECT alert_id, tool_call_id, origin, strength FROM attribution_attribution
            WHERE alert_id = ANY(%s) AND superseded_at IS NULL ORDER BY alert_id FOR UPDATE""",
        [alerts],
    )
    return {alert: Before(*rest) for alert, *rest in found}


def _differs(now: Conclusion, before: Before | None) -> bool:
    call = now.call.id if now.call else None
    return before is None or (call, now.origin, now.strength) != before
