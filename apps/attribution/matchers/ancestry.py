"""An ancestor of the process carries the trace context of a tool call."""

from apps.attribution.case import Case, Match
from apps.attribution.matchers.traceparent import ITS_OWN_WORD, UNTOLD, named
from apps.telemetry.choices import KnownFrom

EXACT, SAME_TRACE = 93, 75


def match(case: Case) -> list[Match]:
    """The nearest ancestor that names a tool call."""
    if not case.line or named(case, case.line[0].traceparent):
        return []
    for steps, kin in enumerate(case.line[1:], start=1):
        if found := named(case, kin.traceparent):
            call, exact = found
            which = "its parent" if steps == 1 else f"its ancestor {steps} generations up"
            says = f"The environment of {which} (pid {kin.pid}) carries the trace context of this tool call."
            if call.known_from == KnownFrom.PROCESS:
                return [Match("ancestry", ITS_OWN_WORD, says + UNTOLD, call)]
            return [Match("ancestry", EXACT if exact else SAME_TRACE, says, call)]
    return []
