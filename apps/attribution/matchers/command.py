"""The command text of a tool call and the arguments of the process agree."""

import re
from collections.abc import Sequence
from functools import lru_cache

from apps.attribution.case import Call, Case, Match

WHOLE, SHORT, MOST = 82, 60, 55
GENERATIONS = 3  # a shell that was given the text is soon above the process that it started
MOST_TEXT = 16_384
TICK = 0.01  # seconds: start times are read from a counter of hundredths
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash", "ksh"})
_WORD = re.compile(r"[^\s'\"`;|&()<>\\,\[\]{}]+")


@lru_cache(maxsize=512)
def words(text: str) -> tuple[str, ...]:
    """The words of a command text, whatever quotes and joins them; programs without their path."""
    return tuple(_bare(word) for word in _WORD.findall(text[:MOST_TEXT].replace("\\n", " ")))


def _bare(word: str) -> str:
    return word.rsplit("/", 1)[-1] if word.startswith("/") and "/bin/" in word else word


def agreement(argv: Sequence[str], text: tuple[str, ...]) -> tuple[float, int]:
    """Which share of the words of `argv` stands in `text` in the same order, and how many words it has."""
    own = words(" ".join(_told(argv)))
    place, found = 0, 0
    for word in own:
        try:
            place = text.index(word, place) + 1
            found += 1
        except ValueError:
            continue
    return (found / len(own) if own else 0.0), len(own)


def _told(argv: Sequence[str]) -> Sequence[str]:
    """What the process was told: of a shell with `-c`, the text that it was given."""
    is_shell = bool(argv) and argv[0].rsplit("/", 1)[-1] in SHELLS
    return argv[2:] if is_shell and len(argv) > 2 and argv[1].startswith("-") and "c" in argv[1] else argv


def match(case: Case) -> list[Match]:
    """The tool call whose text agrees best, if any does."""
    best: Match | None = None
    for call in case.possible:
        if not call.captured or not call.arguments:
            continue
        text = words(call.arguments)
        for steps, kin in enumerate(case.line[:GENERATIONS]):
            if kin.since is not None and call.started_at > kin.since + case.slack + TICK:
                continue  # words that stood in its arguments before anybody asked for them
            made = _judge(call, steps, *agreement(kin.argv, text))
            if made and (best is None or made.strength > best.strength):
                best = made
    return [best] if best else []


def _judge(call: Call, steps: int, share: float, number: int) -> Match | None:
    whose = "the process's" if steps == 0 else "its parent's" if steps == 1 else "an ancestor's"
    if share == 1 and number >= 3:
        says, strength = (
            f"Every one of {whose} {number} words stands in the tool call's text, in order.",
            WHOLE,
        )
    elif share == 1 and number == 2:
        says, strength = f"Both of {whose} two words stand in the tool call's text.", SHORT
    elif share >= 0.75 and number >= 4:
        says, strength = f"{share:.0%} of {whose} words stand in the tool call's text, in order.", MOST
    else:
        return None
    return Match("command", strength - 4 * steps, says, call)
