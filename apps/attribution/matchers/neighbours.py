"""Processes in the same sandbox (network namespace, or cgroup below the run's) name a tool call."""

from collections import Counter

from apps.attribution.case import Case, Match
from apps.attribution.matchers.traceparent import named

NETNS, CGROUP, SEVERAL = 78, 72, 40


def match(case: Case) -> list[Match]:
    """The tool call that the process's neighbours name; where they name several, the one most often."""
    if not case.line or any(named(case, kin.traceparent) for kin in case.line):
        return []
    told = [(found[0], other) for other in case.neighbours if (found := named(case, other.traceparent))]
    if not told:
        return []
    calls = {call.id: call for call, _ in told}
    often = Counter(call.id for call, _ in told)
    first = max(often, key=lambda pk: (often[pk], calls[pk].started_at))
    place = next(other.place for call, other in told if call.id == first)
    others = "another process" if often[first] == 1 else f"{often[first]} processes"
    if len(calls) > 1:
        says = f"Trace contexts in its {place} name {len(calls)} tool calls; most often this one."
        return [Match("neighbours", SEVERAL, says, calls[first])]
    strength = NETNS if place == "network namespace" else CGROUP
    says = f"It shares its {place} with {others} of this tool call, by trace context."
    return [Match("neighbours", strength, says, calls[first])]
