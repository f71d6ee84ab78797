"""What detectors are given: plain facts that cannot change; to examine one fetches and alters nothing."""

from dataclasses import dataclass, field
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | list[str] | dict[str, JSON] | None"


@dataclass(frozen=True, slots=True)
class ProcessFact:
    """One started process, as the host saw it."""

    argv: tuple[str, ...]
    exe: str
    cwd: str
    cgroup: str
    zone: str  # "run": belongs to a training run; "host": anything else on the machine
    parent_argv: tuple[str, ...] = ()
    env_names: frozenset[str] = frozenset()
    marker: str | None = None
    run_cgroup: str | None = None
    run_ended: bool = False


@dataclass(frozen=True, slots=True)
class SocketFact:
    """One opened socket with the process that owns it."""

    argv: tuple[str, ...]
    exe: str
    state: str  # LISTEN | ESTABLISHED | SYN_SENT
    local: str
    remote: str | None
    zone: str
    other_remotes: tuple[str, ...] = ()  # what else this process is connected to
    recent_targets: tuple[
        str, ...
    ] = ()  # distinct "ip:port" tried by this process or cgroup in the last minute


@dataclass(frozen=True, slots=True)
class CommandFact:
    """The text of a tool call, as the AI agent wrote it; nothing says that it ran."""

    text: str
    tool: str
    zone: str = "run"


Fact: TypeAlias = ProcessFact | SocketFact | CommandFact


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that holds for one fact; `detail` is small and can be stored as JSON."""

    rule: str
    detail: dict[str, JSON] = field(default_factory=dict)
