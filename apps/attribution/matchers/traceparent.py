"""The process carries the trace context of a tool call in its own environment."""

import re

from apps.attribution.case import Call, Case, Match
from apps.telemetry.choices import KnownFrom

EXACT, SAME_TRACE = 97, 80
ITS_OWN_WORD = 40  # a process may name what it likes: until a trace tells of the call, this is one sign only
UNTOLD = " No trace has told of that call yet: this is the process's own word."
_FORM = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


def parse(text: str) -> tuple[str, str] | None:
    """Trace and span id of a W3C traceparent, or None where it is none."""
    found = _FORM.match(text.strip().lower())
    return (found[1], found[2]) if found else None


def named(case: Case, text: str) -> tuple[Call, bool] | None:
    """The tool call that a traceparent names, and whether by its own span or only by its trace."""
    ids = parse(text)
    if ids is None:
        return None
    same = [call for call in case.calls if call.trace_id == ids[0]]
    exact = next((call for call in same if call.span_id == ids[1]), None)
    if exact is not None:
        return exact, True
    # A span inside the tool call: of those of its trace that had begun, the last.
    begun = [call for call in same if call.started_at <= case.occurred_at + case.slack]
    last = max(begun, key=lambda call: call.started_at, default=None)
    return (last, False) if last else None


def match(case: Case) -> list[Match]:
    """The alert's own process names the tool call."""
    found = named(case, case.line[0].traceparent) if case.line else None
    if found is None:
        return []
    call, exact = found
    if call.known_from == KnownFrom.PROCESS:
        says = "Its environment carries a trace context that names a tool call." + UNTOLD
        return [Match("traceparent", ITS_OWN_WORD, says, call)]
    if exact:
        return [
            Match("traceparent", EXACT, "Its environment carries the trace context of this tool call.", call)
        ]
    says = "Its environment carries the trace context of the trace that this tool call is part of."
    return [Match("traceparent", SAME_TRACE, says, call)]
