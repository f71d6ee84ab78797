"""Alerts get their attribution; a better one supersedes it when more has become known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from apps.attribution import selectors
from apps.attribution.case import Conclusion
from apps.attribution.conclude import conclude
from apps.attribution.selectors import Subject
from apps.core.bulk import copy, rows, run
from apps.core.jsontext import json_text
from apps.fleet.selectors import RunBook
from apps.telemetry.models import ToolCall

SETTLED = 90  # from here on a tool call that comes later is not asked
MOST_AGAIN = 500
BEFORE, AFTER = timedelta(seconds=2), timedelta(seconds=600)

_COLUMNS = (
    "alert_id", "tool_call_id", "origin", "strength", "clock_error_ms", "delta_ms", "basis", "missing",
    "made_at",
)  # fmt: skip

SUPERSEDE = """
UPDATE attribution_attribution SET superseded_at = %s WHERE alert_id = ANY(%s) AND superseded_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Attributed:
    """What was concluded about one alert."""

    alert_id: int
    conclusion: Conclusion


def attribute(subjects: Sequence[Subject], *, book: RunBook) -> list[Attributed]:
    """Each of these new alerts has its first attribution; one that says "unknown" is one too, with its
    reason."""
    if not subjects:
        return []
    made = _concluded(subjects, book)
    _store(subjects, made)
    return made


def attribute_again(calls: Sequence[int], *, book: RunBook, apart: list[int]) -> list[Attributed]:
    """Tool calls became known (or more of them): alerts around them that were weakly attributed are
    looked at again. Answers those whose conclusion is now another; the former one is superseded.
    """
    subjects = _around(calls, apart)
    if not subjects:
        return []
    before = _current([subject.alert_id for subject in subjects])
    if late := [subject.alert_id for subject in subjects if subject.alert_id not in before]:
        before |= _current(late)  # superseded while this waited for the row: what stands there now
    pairs = list(zip(subjects, _concluded(subjects, book), strict=True))
    better = [pair for pair in pairs if _stronger(pair[1].conclusion, before.get(pair[0].alert_id))]
    if not better:
        return []
    run(SUPERSEDE, [timezone.now(), sorted(pair[0].alert_id for pair in better)])
    _store([pair[0] for pair in better], [pair[1] for pair in better])
    return [pair[1] for pair in better]


def _concluded(subjects: Sequence[Subject], book: RunBook) -> list[Attributed]:
    cases = selectors.cases(subjects, book=book)
    bare: dict[tuple[int | None, float | None], Conclusion] = {}
    made = []
    for subject, case in zip(subjects, cases, strict=True):
        if case.line or case.calls:
            found = conclude(case)
        elif (alike := (case.run_id, case.clock_error_ms)) in bare:
            found = bare[alike]
        else:  # a burst of alerts that name no process, with no tool call near: all have this conclusion
            found = bare[alike] = conclude(case)
        made.append(Attributed(subject.alert_id, found))
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
        lines.append((one.alert_id, call, str(what.origin), *measured, *said, now))
    copy("attribution_attribution", _COLUMNS, lines)


def _around(calls: Sequence[int], apart: list[int]) -> list[Subject]:
    """Weakly attributed alerts of the runs and hosts of `calls`, in their time."""
    found: dict[int, Subject] = {}
    known = ToolCall.objects.filter(pk__in=calls).values_list("run_id", "host_id", "started_at", "ended_at")
    for place, column in (("run", 0), ("host", 1)):
        of = [row for row in known if row[column] is not None]
        if not of:
            continue
        first = min(row[2] for row in of) - BEFORE
        last = max(row[3] or timezone.now() for row in of) + AFTER
        ids = {pk for run_id, host_id, _, _ in of if (pk := run_id if place == "run" else host_id)}
        for subject in selectors.unsettled(
            place, ids, first=first, last=last, below=SETTLED, apart=apart, most=MOST_AGAIN
        ):
            found[subject.alert_id] = subject
    return [found[pk] for pk in sorted(found)]


def _current(alerts: list[int]) -> dict[int, tuple[int | None, int]]:
    found = rows(
        """SELECT alert_id, tool_call_id, strength FROM attribution_attribution
            WHERE alert_id = ANY(%s) AND superseded_at IS NULL ORDER BY alert_id FOR UPDATE""",
        [alerts],
    )
    return {alert: (call, strength) for alert, call, strength in found}


def _stronger(now: Conclusion, before: tuple[int | None, int] | None) -> bool:
    return before is None or now.strength > before[1]
