"""Facts for tests, made from command lines, and what fires on them."""

import json
import shlex
from typing import Any

from apps.detection.engine import examine, inspect
from apps.detection.facts import CommandFact, Fact, ProcessFact, SocketFact
from apps.detection.rules import RULES
from apps.detection.rules.base import COMMAND, Rule

FAMILY = {rule.slug: rule.family for rule in RULES}


def command(text: str, tool: str = "bash") -> CommandFact:
    """The text as a tool call's."""
    return CommandFact(text, tool)


def process(line: str | list[str], **also: Any) -> ProcessFact:
    """The line as one started process of a run, split as a shell would split it."""
    argv = tuple(shlex.split(line) if isinstance(line, str) else line)
    name = argv[0] if argv and argv[0].startswith("/") else "/usr/bin/" + (argv[0] if argv else "x")
    given = {"exe": name, "cwd": "/work", "cgroup": "/sentinel/run-1", "zone": "run"} | also
    return ProcessFact(argv=argv, **given)


def through_shell(text: str) -> ProcessFact:
    """The text as a shell's -c argument."""
    return process(["bash", "-c", text])


def from_json(text: str) -> Fact:
    """A fact written down as JSON, as rules about sockets and processes give their examples."""
    given = {
        key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()
    }
    return SocketFact(**given) if "state" in given else ProcessFact(**given)


def as_facts(rule: Rule, example: str) -> list[Fact]:
    """The facts an example stands for."""
    if example.startswith("{"):
        return [from_json(example)]
    facts: list[Fact] = [through_shell(example)]
    return [*facts, command(example)] if COMMAND in rule.on else facts


def rules_on(fact: Fact) -> set[str]:
    """All rules that hold, those named beside another included."""
    found: set[str] = set()
    for finding in examine(fact):
        also = finding.detail.get("also", [])
        found |= {finding.rule, *(str(name) for name in (also if isinstance(also, list) else []))}
    return found


def families(text: str) -> set[str]:
    """The families that fire on a tool call's text; none of them may fail on it."""
    seen = inspect(command(text))
    assert not seen.errors
    return {FAMILY[slug] for slug in rules_on(command(text))}
