"""Facts in, findings out. Pure: nothing is read, written or remembered.

Ordinary facts leave after a dictionary look-up and a few substring tests; only what could concern a rule
is unfolded. A rule that raises is reported and counted, and stops no other rule.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apps.detection.argv.interpreters import INTERPRETERS
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import is_launcher
from apps.detection.argv.names import program_name
from apps.detection.facts import JSON, CommandFact, Fact, Finding, ProcessFact, SocketFact
from apps.detection.reading import Reading, read_command, read_process
from apps.detection.rules import RULES
from apps.detection.rules.base import COMMAND, PROCESS, SOCKET, Detail, Rule

MAX_VALUE = 200  # characters of one value in a detail
MAX_JOINED = 65_536
_LEVELS = ("critical", "high", "medium", "low", "info")
_WORDS = re.compile(r"[a-z0-9_\[][a-z0-9_.+-]*")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(slots=True)
class Examination:
    """All findings about one fact, and the rules that failed on it (slug, kind of failure)."""

    findings: list[Finding] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)


def examine(fact: Fact) -> list[Finding]:
    """Every behaviour this fact shows: at most one finding a behaviour, the worst level first."""
    return inspect(fact).findings


def examine_many(facts: Sequence[Fact]) -> list[tuple[int, Finding]]:
    """The findings of many facts, each with the index of its fact."""
    found: list[tuple[int, Finding]] = []
    for index, fact in enumerate(facts):
        if isinstance(fact, ProcessFact) and not _process_rules(fact) and not _worth_unfolding(fact):
            continue
        found.extend((index, finding) for finding in inspect(fact).findings)
    return found


def inspect(fact: Fact) -> Examination:
    """Like `examine`, with the failures."""
    seen = Examination()
    if isinstance(fact, SocketFact):
        _apply(_ON_SOCKET, fact, seen)
    elif isinstance(fact, CommandFact):
        _unfolded(_attempt(read_command, fact, seen), COMMAND, fact.text.lower(), seen)
    else:
        _apply(_process_rules(fact), fact, seen)
        if text := _worth_unfolding(fact):
            _unfolded(_attempt(read_process, fact, seen), PROCESS, text, seen)
    seen.findings = _one_a_behaviour(seen.findings)
    return seen


# -- which rules could hold ----------------------------------------------------------------------


def _chosen(on: str, reads: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if on in rule.on and rule.reads == reads)


_BY_SLUG = {rule.slug: rule for rule in RULES}
_ON_SOCKET = _chosen(SOCKET, "fact")
_ON_PROCESS = _chosen(PROCESS, "fact")
_PROGRAMS = frozenset(name for rule in RULES for name in rule.programs)
_GENERAL_HINTS = tuple(sorted({hint for rule in RULES if not rule.programs for hint in rule.hints}))
_ROOTS = tuple(h for h in _GENERAL_HINTS if not any(o != h and o in h for o in _GENERAL_HINTS))
_OPENING = frozenset(INTERPRETERS) | {"python", "env"}


def _process_rules(fact: ProcessFact) -> tuple[Rule, ...]:
    """Rules about the process itself: only one that belongs to a run, or looks odd, can be out of place."""
    if fact.marker is None and fact.zone != "run" and not fact.argv[:1] == () and fact.argv[0][:1] != "[":
        return ()
    return _ON_PROCESS


def _worth_unfolding(fact: ProcessFact) -> str:
    """The text of the arguments if a rule could hold for them, else nothing."""
    argv = fact.argv
    if not argv:
        return ""
    text = " ".join(argv)[:MAX_JOINED].lower()
    name, exe = program_name(argv[0]), program_name(fact.exe)
    for root in _ROOTS:
        if root in text:
            return text
    if name in _PROGRAMS or exe in _PROGRAMS or is_launcher(name):
        return text if _any_rule(name, exe, text) else ""
    return ""


def _any_rule(name: str, exe: str, text: str) -> bool:
    """Whether some rule's program occurs in the text and one of that rule's literals too."""
    words = {name, exe}
    if is_launcher(name) or name in _OPENING:
        words.update(program_name(word) for word in _WORDS.findall(text))
    return any(
        not rule.hints or any(hint in text for hint in rule.hints)
        for word in words & _PROGRAMS
        for rule in _RULES_OF[word]
    )


_RULES_OF: dict[str, tuple[Rule, ...]] = {
    name: tuple(rule for rule in RULES if name in rule.programs) for name in _PROGRAMS
}
_READING = {on: _chosen(on, "reading") for on in (PROCESS, COMMAND)}
_ANY_PROGRAM = {
    on: tuple(rule for rule in _chosen(on, "invocation") if not rule.programs) for on in (PROCESS, COMMAND)
}


# -- applying them -------------------------------------------------------------------------------


def _unfolded(reading: Reading | None, on: str, text: str, seen: Examination) -> None:
    if reading is None:
        return
    text = " ".join([text, *(t.lower() for t in reading.texts)]) if len(reading.texts) > 1 else text
    general = [r for r in _ANY_PROGRAM[on] if _hinted(r, text)]
    done: set[str] = set()
    for invocation in reading.invocations:
        if not invocation.argv and not invocation.redirects:
            continue
        _apply(_rules_for(invocation, on, general, done, text), invocation, seen, done)
    _apply([r for r in _READING[on] if _hinted(r, text)], reading, seen, done)


def _rules_for(
    invocation: Invocation, on: str, general: Iterable[Rule], done: set[str], text: str
) -> list[Rule]:
    named = [*_RULES_OF.get(invocation.program, ()), *_RULES_OF.get(invocation.exe_program, ())]
    return [
        rule
        for rule in (*named, *general)
        if rule.slug not in done and on in rule.on and rule.reads == "invocation"
    ]


def _hinted(rule: Rule, text: str) -> bool:
    return not rule.hints or any(hint in text for hint in rule.hints)


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


def _attempt(read: object, fact: Fact, seen: Examination) -> Reading | None:
    try:
        return read(fact)  # type: ignore[operator,no-any-return]
    except Exception as failure:
        seen.errors.append(("reading", type(failure).__name__))
        return None


def _one_a_behaviour(findings: list[Finding]) -> list[Finding]:
    """Four rules that see the same miner are one alert; the others are named in its detail."""
    if len(findings) < 2:
        return findings
    ranked = sorted(findings, key=lambda finding: _LEVELS.index(_BY_SLUG[finding.rule].level))
    kept: dict[str, Finding] = {}
    for finding in ranked:
        behaviour = _BY_SLUG[finding.rule].behaviour
        if behaviour not in kept:
            kept[behaviour] = finding
        elif kept[behaviour].rule != finding.rule:
            also = kept[behaviour].detail.setdefault("also", [])
            if isinstance(also, list) and finding.rule not in also:
                also.append(finding.rule)
    return list(kept.values())


def _tidy(detail: Detail) -> Detail:
    return {key: _value(value) for key, value in detail.items() if value not in (None, "", [])}


def _value(value: JSON) -> JSON:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value[:MAX_VALUE])
    if isinstance(value, list):
        return [_value(item) for item in value[:16]]
    return value
