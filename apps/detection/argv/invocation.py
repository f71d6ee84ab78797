"""One program with its arguments, as detectors see it."""

from dataclasses import dataclass, field

from apps.detection.argv.names import program_name
from apps.detection.shell.model import Loop, Redirect


@dataclass(slots=True, eq=False)
class Invocation:
    """A program that is (or would be) started, after launchers have been peeled off."""

    argv: tuple[str, ...]
    zone: str = "run"
    program: str = ""  # normalised name of argv[0]
    exe_program: str = ""  # normalised name of the file behind it, where it is known and differs
    via: tuple[str, ...] = ()  # the launchers around it, outermost first
    assigns: dict[str, str] = field(default_factory=dict)  # variables set for it alone
    redirects: tuple[Redirect, ...] = ()
    loops: tuple[Loop, ...] = ()
    stdin: str | None = None
    stdin_decoded: bool = False
    code: str = ""  # inline program text given to an interpreter
    remote: bool = False  # it would run on another host (ssh host command)
    nested: bool = False  # it stands in a command substitution
    wraps: bool = False  # it only starts another program, which is looked at by itself
    observed: bool = False  # a process that did start, not text

    def __post_init__(self) -> None:
        self.program = self.program or (program_name(self.argv[0]) if self.argv else "")

    @property
    def args(self) -> tuple[str, ...]:
        """The arguments after the program's name."""
        return self.argv[1:]
