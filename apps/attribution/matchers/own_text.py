"""The alert was raised by the text of a tool call itself."""

from apps.attribution.case import Case, Match

STRENGTH = 90


def match(case: Case) -> list[Match]:
    """The tool call that asked for it."""
    call = next((call for call in case.calls if call.id == case.own_call), None)
    if call is None:
        return []
    return [
        Match(
            "own_text", STRENGTH, "The tool call's own text asks for it; this does not say that it ran.", call
        )
    ]
