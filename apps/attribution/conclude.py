"""From single matches to one conclusion, with what speaks against it and what could not be seen."""

from collections.abc import Iterable, Iterator

from apps.attribution.case import Call, Case, Conclusion, Match
from apps.attribution.choices import Origin
from apps.attribution.matchers import MATCHERS
from apps.attribution.matchers.traceparent import parse

TEXTUAL = frozenset({"command", "own_text"})  # what the agent itself wrote; other marks are inherited
# True of whoever went there as well.
NEAR = frozenset({"time", "membership", "neighbours", "sandbox", "flow"})

ENOUGH = 50  # below, a tool call is shown as a candidate and nobody is named
CERTAIN = 99


def conclude(case: Case) -> Conclusion:
    """Who did it, as far as `case` tells."""
    matches = [found for matcher in MATCHERS for found in matcher(case)]
    call = _best_call(matches)
    basis = [found for found in matches if found.call is None or found.call is call or found.against]
    rival = max((found for found in basis if found.against), key=lambda found: found.strength, default=None)
    signs = [found for found in basis if not found.against] if call else []
    model = joined(found.strength for found in signs)
    telling = joined(found.strength for found in _telling(signs, rival))
    origin, strength = _verdict(model, telling, rival)
    return Conclusion(
        origin=origin,
        strength=strength,
        call=call,
        delta_ms=round((case.occurred_at - call.started_at) * 1000, 3) if call else None,
        basis=[_basis(found) for found in basis],
        missing=_missing(case, call),
    )


def _best_call(matches: Iterable[Match]) -> Call | None:
    scores: dict[int, tuple[int, Call]] = {}
    named: dict[int, list[int]] = {}
    for found in matches:
        if found.call is not None and not found.against:
            named.setdefault(found.call.id, []).append(found.strength)
            scores[found.call.id] = (joined(named[found.call.id]), found.call)
    return max(scores.values(), key=lambda pair: (pair[0], pair[1].started_at), default=(0, None))[1]


def _telling(signs: list[Match], rival: Match | None) -> list[Match]:
    """Those of `signs` for the tool call that also tell it from `rival`.

    Below a package installer everything inherits trace context, marker and cgroup of the tool call that
    started the installation: only text of the agent's own about something below it tells them apart. And
    somebody who signed in may be in the run's cgroup at the time of any tool call.
    """
    if rival is not None and rival.origin == Origin.DEPENDENCY:
        return [found for found in signs if found.matcher in TEXTUAL and found.steps < rival.steps]
    return signs if rival is None else [found for found in signs if found.matcher not in NEAR]


def joined(strengths: Iterable[int]) -> int:
    """Several independent signs are stronger than the strongest of them, and never certain."""
    doubt = 1.0
    for strength in strengths:
        doubt *= 1 - strength / 100
    return min(round((1 - doubt) * 100), CERTAIN)


def _verdict(model: int, telling: int, rival: Match | None) -> tuple[str, int]:
    if rival is not None and rival.strength > telling:
        return rival.origin, rival.strength
    if model >= ENOUGH:
        return Origin.MODEL, model
    return Origin.UNKNOWN, model


def _basis(found: Match) -> dict[str, object]:
    return {
        "matcher": found.matcher,
        "strength": found.strength,
        "says": found.says,
        "against": found.against,
        "origin": str(found.origin),
    }


def _missing(case: Case, call: Call | None) -> list[str]:
    return [said for said in (_flow(case), _processes(case), _calls(case, call), *_sensors(case)) if said]


def _processes(case: Case) -> str:
    if case.stranger is not None:
        return (
            f"Pid {case.stranger.pid} carries the marker of {case.stranger.marker[:80]!r}, a run that is not "
            "known here: tool calls of other runs were not asked."
        )
    if not case.line and case.flow is not None:
        return ""
    if not case.line:
        return (
            "The alert names no process that was seen, so neither ancestors nor environment could be asked."
        )
    named = next((kin for kin in case.line if parse(kin.traceparent)), None)
    if named is None:
        last = case.line[-1]
        return f"No process from it up to pid {last.pid} carries a trace context."
    ids = parse(named.traceparent)
    if ids and not any(call.trace_id == ids[0] for call in case.calls):
        return f"Pid {named.pid} names span {ids[1]} of trace {ids[0]}, and no such tool call has arrived."
    return ""


def _calls(case: Case, call: Call | None) -> str:
    if call is None and not case.calls:
        where = f"of {case.run_name}" if case.run_id is not None else "on this host"
        return f"No tool call {where} was open at that time, or none has arrived yet."
    if call is not None and not call.captured:
        return "The trace does not contain what this tool call was asked to do."
    return ""


def _flow(case: Case) -> str:
    if case.flow is None or case.held is not None:
        return ""
    return (
        f"No process is known that held the connection {case.flow.source} to {case.flow.target} then: the "
        "host may be unwatched, or its report may still be under way."
    )


def _sensors(case: Case) -> Iterator[str]:
    if case.clock_error_ms is None:
        yield "How far the clocks are off was not measured."
    yield from case.blind
