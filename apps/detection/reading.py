"""A fact unfolded: every program it would start, through launchers, shells, decoders and inline code."""

from dataclasses import dataclass, field

from apps.detection.argv.interpreters import INTERPRETERS, inline_code, other_commands, python_commands
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import SHELLS, Inner, peel, shell_options
from apps.detection.argv.names import program_name
from apps.detection.facts import CommandFact, ProcessFact
from apps.detection.shell import Command, parse
from apps.detection.shell.model import clip

MAX_INVOCATIONS = 4_000
MAX_NESTING = 6
MAX_PARSED = 131_072  # characters parsed for one fact, all nested texts together

WRITTEN = "written"  # stands in `via` for program text that is written to a file rather than run
_LANGUAGES = {
    "py": "python",
    "pl": "perl",
    "rb": "ruby",
    "php": "php",
    "js": "node",
    "lua": "lua",
    "go": "go",
}

Stages = list[list[Invocation]]


@dataclass(slots=True)
class Reading:
    """All programs of one fact, its pipelines, and the texts they came from."""

    zone: str
    observed: bool
    invocations: list[Invocation] = field(default_factory=list)
    pipelines: list[Stages] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # shell texts, the nested ones too
    written: dict[str, str] = field(default_factory=dict)  # file -> literal text that is put there
    truncated: bool = False
    parsed: int = 0

    def everything(self) -> str:
        """All words and texts, in lower case: what rules look for their necessary literals in."""
        parts = list(self.texts)
        for invocation in self.invocations:
            parts.append(" ".join(invocation.argv))
            parts.append(invocation.code)
        return "\n".join(parts).lower()


def read_process(fact: ProcessFact) -> Reading:
    """What a started process is, and what the text in its arguments would start."""
    reading = Reading(fact.zone, observed=True)
    first = Invocation(fact.argv, zone=fact.zone, observed=True)
    exe_program = program_name(fact.exe) if fact.exe else ""
    if exe_program != first.program:
        first.exe_program = exe_program
    _unfold(reading, first, {}, 0)
    return reading


def read_command(fact: CommandFact) -> Reading:
    """What the text of a tool call would start."""
    reading = Reading(fact.zone, observed=False)
    if "python" in fact.tool.lower() or "jupyter" in fact.tool.lower():
        code = Invocation(("python", "-c", fact.text[:MAX_PARSED]), zone=fact.zone)
        _unfold(reading, code, {}, 0)
    else:
        _read_text(reading, fact.text, Invocation((), zone=fact.zone), 0)
    return reading


def _read_text(reading: Reading, text: str, around: Invocation, level: int) -> None:
    """Parse a shell text and unfold each of its commands."""
    if level > MAX_NESTING or reading.parsed > MAX_PARSED:
        reading.truncated = True
        return
    text, cut = clip(text)
    reading.parsed += len(text)
    reading.texts.append(text)
    script = parse(text)
    reading.truncated = reading.truncated or cut
    made: dict[int, list[Invocation]] = {}
    same: dict[object, list[Invocation]] = {}  # a command repeated without end is looked at once
    for command in script.commands:
        key = (
            command.argv,
            command.stdin,
            command.loops,
            *((r.fd, r.op, r.target) for r in command.redirects),
        )
        if key not in same:
            before = len(reading.invocations)
            _unfold(reading, _invocation(command, around), script.written, level)
            same[key] = reading.invocations[before:]
        made[id(command)] = same[key]
    reading.written.update(script.written)
    for path, text in script.written.items():
        if (language := _LANGUAGES.get(path.rpartition(".")[2])) and len(
            reading.invocations
        ) < MAX_INVOCATIONS:
            reading.invocations.append(
                Invocation((language, path), zone=around.zone, via=(WRITTEN,), code=text)
            )
    for stages in script.pipelines:
        reading.pipelines.append([[i for c in stage for i in made.get(id(c), ())] for stage in stages])


def _where(command: Command) -> tuple[tuple[str, str, str], ...]:
    return tuple((redirect.fd, redirect.op, redirect.target) for redirect in command.redirects)


def _invocation(command: Command, around: Invocation) -> Invocation:
    return Invocation(
        command.argv,
        zone=around.zone,
        via=around.via,
        assigns={**around.assigns, **command.assigns},
        redirects=(*command.redirects, *around.redirects),
        loops=(*around.loops, *command.loops),
        stdin=command.stdin,
        stdin_decoded=command.stdin_decoded,
        remote=around.remote,
        nested=around.nested or command.depth > 0,
    )


def _unfold(reading: Reading, invocation: Invocation, written: dict[str, str], level: int) -> None:
    if len(reading.invocations) >= MAX_INVOCATIONS or level > MAX_NESTING:
        reading.truncated = True
        return
    reading.invocations.append(invocation)
    if not invocation.argv:
        return
    program = invocation.program
    if program in INTERPRETERS:
        invocation.code = _code(invocation, written)
        find = python_commands if program == "python" else other_commands
        for inner in find(invocation.code):
            _unfold_inner(reading, invocation, inner, written, level)
    elif program in SHELLS and (text := _fed_text(invocation, written)):
        _unfold_inner(reading, invocation, Inner(text=text), written, level)
    elif "/" in invocation.argv[0] and invocation.argv[0] in written:
        _unfold_inner(reading, invocation, _written_script(written[invocation.argv[0]]), written, level)
    for inner in peel(program, invocation.args):
        invocation.wraps = invocation.wraps or bool(inner.argv)
        _unfold_inner(reading, invocation, inner, written, level)


def _unfold_inner(
    reading: Reading, outer: Invocation, inner: Inner, written: dict[str, str], level: int
) -> None:
    around = Invocation(
        inner.argv,
        zone=outer.zone,
        via=(*outer.via, outer.program)[:MAX_NESTING],
        assigns={**outer.assigns, **inner.assigns},
        redirects=outer.redirects,
        loops=outer.loops,
        stdin=outer.stdin,
        stdin_decoded=outer.stdin_decoded,
        remote=outer.remote or inner.remote,
    )
    if inner.text is not None:
        _read_text(reading, inner.text, around, level + 1)
    elif inner.argv:
        _unfold(reading, around, written, level + 1)


def _fed_text(invocation: Invocation, written: dict[str, str]) -> str | None:
    """What a shell without -c reads: a script written by the same text, or its standard input."""
    text, operands = shell_options(invocation.args)
    if text is not None:
        return None
    if operands and operands[0] != "-" and "-s" not in invocation.args:
        return written.get(operands[0])
    return invocation.stdin


def _code(invocation: Invocation, written: dict[str, str]) -> str:
    code = inline_code(invocation.program, invocation.args, invocation.stdin)
    if code or not written:
        return code
    return next((written[word] for word in invocation.args[:8] if word in written), "")


def _written_script(text: str) -> Inner:
    """A file written and then started: its first line says what reads it."""
    first = text.split("\n", 1)[0]
    if first.startswith("#!") and "python" in first:
        return Inner(argv=("python", "-c", text))
    return Inner(text=text)
