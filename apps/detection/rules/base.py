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
    # What a fact must have for the rule to hold; only to leave out work, never part of the judgement.
    programs: frozenset[str] = frozenset()  # one of these programs, by normalised name; empty: any
    hints: tuple[str, ...] = ()  # one of these lower-case literals, somewhere in the text
    gates: tuple[str, ...] = ()  # one of these too; fewer and rarer, so looked for first
    files: bool = False  # a program that reads, writes or removes files, or a redirection
    code: bool = False  # inline program text
    # For rules about sockets: the names in the detail that make a finding about the same process a new one.
    # Without any, it is the other end of the connection (of a listener, its own address).
    peer: tuple[str, ...] = ()
