"""The alert falls into the time of a tool call, within what the clocks may be off."""

from apps.attribution.case import Call, Case, Match
from apps.telemetry.choices import KnownFrom

ONLY_ONE, HOST_ONLY, AFTER, LEAST = 45, 25, 15, 8
REMEMBERED = 600.0  # what a tool call left behind may act up to ten minutes after it
SHARP = 2.0  # seconds: where clocks may be off by more, nearness in time says less


def match(case: Case) -> list[Match]:
    """The call that was open then: the weaker, the more there were."""
    at, slack = case.occurred_at, case.slack
    told = [call for call in case.possible if call.known_from != KnownFrom.PROCESS]  # else it proves itself
    begun = [call for call in told if call.started_at <= at + slack]
    still = [call for call in begun if _is_open(call, at, slack)]
    if still:
        return [_open(case, still, sure=min(1.0, SHARP / slack) if slack else 1.0)]
    past = [call for call in begun if call.ended_at is not None and at - call.ended_at <= REMEMBERED]
    if not past:
        return []
    last = max(past, key=lambda call: call.ended_at or 0)
    seconds = at - (last.ended_at or 0)
    return [Match("time", AFTER, f"It was the last tool call before, ended {seconds:,.1f} s earlier.", last)]


def _is_open(call: Call, at: float, slack: float) -> bool:
    """Whether it was open then. One that was only asked for may never have been carried out."""
    if call.ended_at is not None:
        return call.ended_at >= at - slack
    return call.known_from != KnownFrom.ASKED or at - call.started_at <= REMEMBERED


def _open(case: Case, calls: list[Call], *, sure: float) -> Match:
    most = ONLY_ONE if case.run_id is not None else HOST_ONLY
    last = max(calls, key=lambda call: call.started_at)
    where = "of the run" if case.run_id is not None else "on the host"
    if len(calls) == 1:
        return Match(
            "time", round(most * sure), f"It was the only tool call {where} that was open at that time.", last
        )
    says = f"It was the latest of {len(calls)} tool calls {where} that were open at that time."
    return Match("time", max(round(most * sure) // len(calls), LEAST), says, last)
