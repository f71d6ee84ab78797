"""What a rule is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.detection.facts import JSON

Detail = dict[str, JSON]

PROCESS, SOCKET, COMMAND = "process", "socket", "command"
STARTED = frozenset({PROCESS, COMMAND})  # a program, whether seen running or written in a tool call


@dataclass(frozen=True, slots=True)
class Rule:
    """One behaviour, recognised. `match` is pure and returns the alert's detail, or None.

    What `match` is given depends on `reads`: "invocation" (each program of a process or command fact),
    "reading" (the whole unfolded fact, for pipelines and loops) or "fact" (the fact itself).
    """

    slug: str
    version: int
    family: str
    behaviour: str
    level: str
    technique: str
    title: str
    description: str
    false_positives: str
    examples: tuple[str, ...]
    match: Callable[[Any], Detail | None]
    on: frozenset[str] = STARTED
    reads: str = "invocation"
    programs: frozenset[str] = frozenset()  # only these programs, by normalised name; empty: any
    hints: tuple[str, ...] = ()  # lower-case literals of which one must occur somewhere in the fact
