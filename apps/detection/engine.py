"""Facts in, findings out. Pure: nothing is read, written or remembered.

A rule that raises is reported and counted, and stops no other rule.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from apps.detection.facts import JSON, CommandFact, Fact, Finding, ProcessFact, SocketFact
from apps.detection.prefilter import out_of_place, worth_unfolding
from apps.detection.reading import Reading, read_command, read_process
from apps.detection.rules import RULES
from apps.detection.rules.base import COMMAND, PROCESS, SOCKET, Detail, Rule

MAX_VALUE = 200  # characters of one value in a detail
MAX_ITEMS = 16  # of one list in a detail
_LEVELS = ("critical", "high", "medium", "low", "info")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
F = TypeVar("F", ProcessFact, CommandFact)


@dataclass(slots=True)
class Examination:
    """All findings about one fact, and the rules that failed on it (slug, kind of failure)."""

    findings: list[Finding] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)


def examine(fact: Fact) -> list[Finding]:
    """Every behaviour this fact shows: at most one finding a behaviour, the worst level first."""
    return inspect(fact).findings


def examine_many(
    facts: Sequence[Fact], *, errors: list[tuple[int, str, str]] | None = None
) -> list[tuple[int, Finding]]:
    """The findings of many facts, each with the index of its fact; failures go to `errors`, if given."""
    found: list[tuple[int, Finding]] = []
    for index, fact in enumerate(facts):
        if isinstance(fact, ProcessFact) and not out_of_place(fact) and not worth_unfolding(fact):
            continue
        seen = inspect(fact)
        found.extend((index, finding) for finding in seen.findings)
        if errors is not None:
            errors.extend((index, rule, failure) for rule, failure in seen.errors)
    return found


def inspect(fact: Fact) -> Examination:
    """Like `examine`, with the failures."""
    seen = Examination()
    if isinstance(fact, SocketFact):
        _apply(_ON_SOCKET, fact, seen)
    elif isinstance(fact, CommandFact):
        _unfold(read_command, fact, COMMAND, seen)
    else:
        if out_of_place(fact):
            _apply(_ON_PROCESS, fact, seen)
        if worth_unfolding(fact):
            _unfold(read_process, fact, PROCESS, seen)
    seen.findings = _one_a_behaviour(seen.findings)
    return seen


def _chosen(on: str, reads: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if on in rule.on and rule.reads == reads)


_BY_SLUG = {rule.slug: rule for rule in RULES}
_ON_SOCKET = _chosen(SOCKET, "fact")
_ON_PROCESS = _chosen(PROCESS, "fact")
_TOGETHER = {on: _chosen(on, "reading") for on in (PROCESS, COMMAND)}
_EACH = {on: _chosen(on, "invocation") for on in (PROCESS, COMMAND)}
_ANY_PROGRAM = {on: tuple(rule for rule in _EACH[on] if not rule.programs) for on in _EACH}
_NAMED: dict[str, dict[str, tuple[Rule, ...]]] = {
    on: {
        name: tuple(rule for rule in _EACH[on] if name in rule.programs)
        for name in {name for rule in _EACH[on] for name in rule.programs}
    }
    for on in _EACH
}


def _unfold(read: Callable[[F], Reading], fact: F, on: str, seen: Examination) -> None:
    """Apply the rules about programs to everything the fact would start."""
    try:
        reading = read(fact)
    except Exception as failure:  # hostile text must not stop the batch it came with
        seen.errors.append(("reading", type(failure).__name__))
        return
    text = f" {reading.everything()} "
    general: list[Rule] = [rule for rule in _ANY_PROGRAM[on] if _hinted(rule, text)]
    done: set[str] = set()
    for invocation in reading.invocations:
        if invocation.argv or invocation.redirects or invocation.assigns:
            named: tuple[Rule, ...] = _NAMED[on].get(invocation.program, ())
            if invocation.exe_program:
                named += _NAMED[on].get(invocation.exe_program, ())
            _apply(named if invocation.wraps else (*named, *general), invocation, seen, done)
    programs = {invocation.program for invocation in reading.invocations}
    together = (rule for rule in _TOGETHER[on] if not rule.programs or rule.programs & programs)
    _apply([rule for rule in together if _hinted(rule, text)], reading, seen, done)


def _hinted(rule: Rule, text: str) -> bool:
    for hint in rule.hints:  # a plain loop: this is asked more than anything else
        if hint in text:
            return True
    return not rule.hints


def _apply(rules: Iterable[Rule], subject: object, seen: Examination, done: set[str] | None = None) -> None:
    for rule in rules:
        if done is not None and rule.slug in done:
            continue
        try:
            detail = rule.match(subject)
        except Exception as failure:  # a faulty rule must not blind the others
            seen.errors.append((rule.slug, type(failure).__name__))
            continue
        if detail is not None:
            seen.findings.append(Finding(rule.slug, _tidy(detail)))
            if done is not None:
                done.add(rule.slug)


def _one_a_behaviour(findings: list[Finding]) -> list[Finding]:
    """Four rules that see the same miner are one finding; the others are named in its detail."""
    if len(findings) < 2:
        return findings
    kept: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: _LEVELS.index(_BY_SLUG[finding.rule].level)):
        first = kept.setdefault(_BY_SLUG[finding.rule].behaviour, finding)
        if first is not finding:
            also = first.detail.setdefault("also", [])
            if isinstance(also, list) and len(also) < MAX_ITEMS:
                also.append(finding.rule)
    return list(kept.values())


def _tidy(detail: Detail) -> Detail:
    """What is empty is left out; what is long, or cannot be stored, is cut or replaced."""
    return {key: _value(value) for key, value in detail.items() if value not in (None, "", [])}


def _value(value: JSON) -> JSON:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value[:MAX_VALUE])
    if isinstance(value, list):
        return [_value(item) for item in value[:MAX_ITEMS]]
    return value
