"""The command text of a tool call, read as a shell would read it, and the arguments of the process agree."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter

from apps.attribution.asked import Asked, Program, asked, fits, same_file, started_by
from apps.attribution.case import Call, Case, Kin, Match

STARTS, SCRIPT, WROTE, IN_FILE = 84, 80, 76, 58
WHOLE, SHORT, MOST = 82, 60, 45
GENERATIONS = 3  # a shell that was given the text is soon above the process that it started
MOST_TEXT = 16_384
MOST_PATHS = 4  # words of a process that may be a script's path
TICK = 0.01  # seconds: start times are read from a counter of hundredths
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash", "ksh"})
_WORD = re.compile(r"[^\s'\"`;|&()<>\\,\[\]{}]+")

Found = tuple[int, str]  # strength, what it says
Files = list[tuple[str, str]]


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
    """The tool call whose text agrees best, if any does; of two, the later."""
    best: Match | None = None
    written: dict[int | None, Files] = {}  # by episode, what its tool calls have written so far
    for call in sorted(case.possible, key=lambda call: call.started_at):
        if not call.captured or not call.arguments:
            continue
        own = asked(call.name, call.arguments)
        earlier = written.setdefault(call.episode_id, [])
        for steps, kin in enumerate(case.line[:GENERATIONS]):
            if kin.since is not None and call.started_at > kin.since + case.slack + TICK:
                continue  # words that stood in its arguments before anybody asked for them
            found = max(_signs(call, own, kin, steps, earlier), key=itemgetter(0), default=None)
            if found and (best is None or found[0] - 4 * steps >= best.strength):
                best = Match("command", found[0] - 4 * steps, found[1], call, steps=steps)
        earlier += own.files
    return [best] if best else []


def _signs(call: Call, own: Asked, kin: Kin, steps: int, earlier: Files) -> Iterator[Found]:
    whose = "the process" if steps == 0 else "its parent" if steps == 1 else "an ancestor"
    started = max((len(one) for one in own.programs if fits(kin.argv, one)), default=0)
    if started > 1:
        yield STARTS if started > 2 else SHORT, f"Its text starts what {whose} is, word for word."
    for path, content in earlier:
        if started and _runs(kin, path):
            yield SCRIPT, f"It starts {path}, which the episode wrote before."
        elif content and _starts(content, kin.argv) and any(_names(one, path) for one in own.programs):
            yield SCRIPT, f"It starts {path}, which the episode wrote before and which starts {whose}."
    for path, content in own.files:
        if _runs(kin, path):
            yield WROTE, f"It made the file {path}, which {whose} runs."
        elif content and _starts(content, kin.argv):
            yield IN_FILE, f"It wrote {path}, and what {whose} is stands there word for word."
    # Where its text was read as commands and none of them is this one, it is only spoken of.
    most = WHOLE if started or not own.programs else MOST
    for strength, says in _agreeing(call, kin, whose):
        yield min(strength, most), says


def _agreeing(call: Call, kin: Kin, whose: str) -> Iterator[Found]:
    share, number = agreement(kin.argv, words(call.arguments))
    if share == 1 and number >= 3:
        yield WHOLE, f"Every one of {whose}'s {number} words stands in the tool call's text, in order."
    elif share == 1 and number == 2:
        yield SHORT, f"Both of {whose}'s two words stand in the tool call's text."
    elif share >= 0.75 and number >= 4:
        yield MOST, f"{share:.0%} of {whose}'s words stand in the tool call's text, in order."


def _names(program: Program, path: str) -> bool:
    return any(same_file(word, path) for word in program[:MOST_PATHS])


def _starts(content: str, argv: Program) -> bool:
    return any(len(one) > 1 and fits(argv, one) for one in started_by(content))


def _runs(kin: Kin, path: str) -> bool:
    """Whether the process was started from that file; a bare name alone says too little."""
    if "/" not in path.removeprefix("./") and not path.startswith("./"):
        return any(word.removeprefix("./") == path and "." in path for word in kin.argv[:MOST_PATHS])
    return same_file(kin.exe, path) or _names(kin.argv, path)
