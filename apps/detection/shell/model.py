"""What parsing yields, and the limits that bound it."""

from dataclasses import dataclass, field

MAX_TEXT = 16_384  # characters read of one text: three quarters from its start, the rest from its end
MAX_DEPTH = 6  # command substitutions within each other
MAX_COMMANDS = 2_000  # simple commands kept of one text


@dataclass(slots=True)
class Redirect:
    """One redirection; `body` is the text of a here-document or here-string."""

    fd: str
    op: str
    target: str
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop around a command: its variable (empty for while/until) and what it runs over."""

    kind: str
    variable: str
    values: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Command:
    """One simple command, with what surrounds it."""

    argv: tuple[str, ...]
    assigns: dict[str, str] = field(default_factory=dict)
    redirects: list[Redirect] = field(default_factory=list)
    loops: tuple[Loop, ...] = ()
    stdin: str | None = None  # what is fed to it, where the text says so
    stdin_decoded: bool = False  # that text went through a decoder first
    depth: int = 0


Pipeline = list[list[Command]]  # stages; a compound stage has several commands


@dataclass(slots=True)
class Script:
    """All simple commands of a text in the order written, and its pipelines of two or more stages."""

    commands: list[Command] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)  # file -> literal text that this script puts there
    truncated: bool = False


def clip(text: str) -> tuple[str, bool]:
    """The part of a text that is read: padding in front or behind cannot push everything out of sight."""
    if len(text) <= MAX_TEXT:
        return text, False
    head = MAX_TEXT * 3 // 4
    return text[:head] + "\n" + text[-(MAX_TEXT - head) :], True
