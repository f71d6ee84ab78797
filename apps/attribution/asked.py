"""What the text of a tool call would start, and which files it leaves behind: read as a shell would."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.asking import command_text, file_written
from apps.detection.facts import CommandFact
from apps.detection.reading import Reading, read_command

MOST_PROGRAMS, MOST_FILES = 400, 32
MOST_CONTENT = 16_384
LATER = names("at batch crontab")  # what they read from their standard input runs later
COPIES = names("cp mv ln install")
_SCHEDULE = re.compile(r"^\s*(?:@\w+|(?:[\d*/,\-]+\s+){4}[\d*/,\-]+)\s+(?:root\s+)?", re.MULTILINE)

Program = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """`files` are the paths that it writes (or copies to), with their text where that is known."""

    programs: tuple[Program, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=4096)
def asked(tool: str, arguments: str) -> Asked:
    """The programs in a tool call's text (through `sh -c`, here-documents, base64, `at` and the like)."""
    written = file_written(arguments)
    said = command_text(arguments)
    if said == arguments and "\n" not in said:  # bare text whose line ends were escaped on the way
        said = said.replace("\\n", "\n")
    found = _read(said, tool) if said else Asked()
    if written is None:
        return found
    path, content = written
    return replace(found, files=(*found.files, (path, content[:MOST_CONTENT]))[:MOST_FILES])


@lru_cache(maxsize=1024)
def started_by(content: str) -> tuple[Program, ...]:
    """The programs that a script of this text would start."""
    first = content.split("\n", 1)[0]
    tool = "python" if first.startswith("#!") and "python" in first else ""
    return _read(_SCHEDULE.sub("", content), tool).programs


def _read(text: str, tool: str) -> Asked:
    reading = read_command(CommandFact(text=text, tool=tool))
    later = [
        program
        for one in reading.invocations
        if one.program in LATER and one.stdin
        for program in _programs(read_command(CommandFact(_SCHEDULE.sub("", one.stdin), "")))
    ]
    programs = dict.fromkeys([*_programs(reading), *later])
    files = {**dict(_made(reading.invocations)), **reading.written}
    kept = [(path, text[:MOST_CONTENT]) for path, text in files.items()]
    return Asked(tuple(programs)[:MOST_PROGRAMS], tuple(kept[:MOST_FILES]))


def _programs(reading: Reading) -> Iterator[Program]:
    for one in reading.invocations[:MOST_PROGRAMS]:
        if one.argv and one.argv[0]:
            yield one.argv


def _made(invocations: list[Invocation]) -> Iterator[tuple[str, str]]:
    """Files that come into being without their text standing here."""
    for one in invocations[:MOST_PROGRAMS]:
        operands = [word for word in one.args if word[:1] != "-"]
        if one.program in COPIES and len(operands) > 1:
            yield operands[-1], ""
        for flag, value in zip(one.args, one.args[1:], strict=False):
            if (one.program, flag) in (("curl", "-o"), ("curl", "--output"), ("wget", "-O")):
                yield value, ""


def same_file(one: str, other: str) -> bool:
    """Whether two ways to write a path may name one file: the shorter is the end of the longer."""
    short, long = sorted((one.removeprefix("./"), other.removeprefix("./")), key=len)
    return bool(short) and (short == long or (not short.startswith("/") and long.endswith(f"/{short}")))


def fits(argv: Program, program: Program) -> bool:
    """Whether a process with these arguments is what `program` would have started; `$X` may be anything."""
    if _same(argv, program):
        return True
    return len(argv) > len(program) > 0 and "/" in program[0] and _same(argv[1:], program)  # by its #! line


def _same(argv: Program, program: Program) -> bool:
    if len(argv) != len(program):
        return False
    literal = sum(
        own == said or (place == 0 and _bare(own) == _bare(said))
        for place, (own, said) in enumerate(zip(argv, program, strict=True))
    )
    open_ = sum("$" in said or "*" in said for said in program)
    return literal >= min(2, len(program)) and literal + open_ >= len(program)


def _bare(word: str) -> str:
    return word.rsplit("/", 1)[-1]
