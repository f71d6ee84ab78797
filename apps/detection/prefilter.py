"""Which rules could hold for a process at all: a few look-ups decide, so that ordinary processes cost little.

Nothing here judges. A rule's programs, hints and gates are necessary signs; where they are missing the rule
cannot hold, and the process is not even unfolded.
"""

import re
from functools import lru_cache

from apps.detection.argv.interpreters import INTERPRETERS
from apps.detection.argv.launchers import SHELLS, is_launcher
from apps.detection.argv.names import ALIASES, program_name
from apps.detection.facts import ProcessFact
from apps.detection.rules import RULES
from apps.detection.rules.accounting.processes import KERNEL_LIKE, SCRATCH_PLACES, SYSTEM_PLACES, inside
from apps.detection.rules.base import PROCESS, Rule
from apps.detection.rules.files import PROGRAMS as FILE_PROGRAMS

MAX_JOINED = 65_536
_WORDS = re.compile(r"[a-z0-9_$][a-z0-9_.+-]*")

_ON_PROCESS = tuple(rule for rule in RULES if PROCESS in rule.on and rule.reads != "fact")
_NAMED: dict[str, tuple[Rule, ...]] = {
    name: tuple(rule for rule in _ON_PROCESS if name in rule.programs)
    for name in {name for rule in _ON_PROCESS for name in rule.programs}
}
_UNNAMED = tuple(rule for rule in _ON_PROCESS if not rule.programs)


_CODE_LETTERS = {
    "python": frozenset("c"),
    "perl": frozenset("eE"),
    "ruby": frozenset("e"),
    "php": frozenset("rBRE"),
    "node": frozenset("ep"),
    "lua": frozenset("e"),
    "julia": frozenset("eE"),
}


def _groups(rules: tuple[Rule, ...]) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """(gates, hints) of rules, those with the same gates together, without hints that contain another."""
    by_gates: dict[tuple[str, ...], set[str]] = {}
    for rule in rules:
        by_gates.setdefault(rule.gates or ("",), set()).update(rule.hints)
    return tuple((gates, _shortest(hints)) for gates, hints in by_gates.items())


def _shortest(hints: set[str]) -> tuple[str, ...]:
    return tuple(sorted(h for h in hints if not any(other != h and other in h for other in hints)))


# Every file that a rule is about lies in, or is called like, one of these.
_PLACES = (
    "/etc", "/proc", "/var", "/dev", "/sys", "/run/", "/boot", "/.", " .", "~", "/root", "$", "hist",
    "cron", "sentinel", "hostagent", "authorized_", "_ssh", "site", "wallet", "ntds", "/sam", "krb5",
    "release_agent", "cgroup", "logins.", "key4", "login data", "cookies", "systemd", "profile", "electrum",
    "keyrings", "gcloud", "kube", "shadow", "ossec", "huggingface", "ld_", "wtmp", "btmp", "lastlog",
    "utmp",
)  # fmt: skip
_ARGUMENT_GROUPS = _groups(tuple(rule for rule in _UNNAMED if not rule.files and rule.reads == "invocation"))
_FILE_GROUPS = ((_PLACES, _shortest({hint for rule in _UNNAMED if rule.files for hint in rule.hints})),)
_TEXT_GROUPS = _groups(tuple(rule for rule in _UNNAMED if rule.reads == "reading"))
_ALL_GROUPS = _ARGUMENT_GROUPS + _FILE_GROUPS + _TEXT_GROUPS


def _any_hint(text: str, groups: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]) -> bool:
    for gates, hints in groups:
        for gate in gates:
            if gate in text:
                break
        else:
            continue
        for hint in hints:
            if hint in text:
                return True
    return False


_ALWAYS = frozenset(
    name
    for name, rules in _NAMED.items()
    if any(not r.hints and r.reads == "invocation" and not r.code for r in rules)
)
_NAMED_GROUPS = {
    (name, code): _groups(tuple(rule for rule in rules if code or not rule.code))
    for name, rules in _NAMED.items()
    for code in (False, True)
}
_SPELLED = {name: name for name in _NAMED} | {
    alias: name for alias, name in ALIASES.items() if name in _NAMED
}


@lru_cache(maxsize=65_536)
def _argument_concerns(word: str) -> bool:
    """Whether one argument has a sign of a rule that holds for any program; most arguments come again."""
    return not word.isdigit() and _any_hint(f" {word.lower()} ", _ARGUMENT_GROUPS)


@lru_cache(maxsize=65_536)
def _path_concerns(word: str) -> bool:
    return not word.isdigit() and _any_hint(f" {word.lower()} ", _FILE_GROUPS)


@lru_cache(maxsize=65_536)
def _text_word_concerns(word: str) -> bool:
    return _any_hint(f" {word} ", _ALL_GROUPS)


@lru_cache(maxsize=65_536)
def _named_word_concerns(name: str, code: bool, word: str) -> bool:
    """Whether one argument has a literal of a rule about this program."""
    return not word.isdigit() and _any_hint(f" {word.lower()} ", _NAMED_GROUPS[name, code])


def worth_unfolding(fact: ProcessFact) -> bool:
    """Whether any rule about programs could hold for this process."""
    argv = fact.argv
    if not argv:
        return False
    name, exe = program_name(argv[0]), program_name(fact.exe)
    if True in map(_argument_concerns, argv):
        return True
    if name in FILE_PROGRAMS and True in map(_path_concerns, argv):
        return True
    words = argv[1:] if name in SHELLS else argv  # a shell's own path is no sign of a shell inside
    if is_launcher(name) and _text_concerns(" ".join(words)[:MAX_JOINED].lower()):
        return True
    return (name in _NAMED and _named_concern(name, argv)) or (
        exe != name and exe in _NAMED and _named_concern(exe, argv)
    )


def _named_concern(name: str, argv: tuple[str, ...]) -> bool:
    if name in _ALWAYS:
        return True
    code = name in INTERPRETERS and _may_have_code(name, argv)
    for word in argv:
        if _named_word_concerns(name, code, word) or (code and _text_word_concerns(word.lower())):
            return True
    return False


def _may_have_code(name: str, argv: tuple[str, ...]) -> bool:
    """Options before the first operand decide: a script as operand leaves no place for inline text."""
    letters = _CODE_LETTERS.get(name)
    if letters is None:
        return len(argv) > 1  # awk and its kin need no option
    values = False
    for word in argv[1:16]:
        if values:
            values = False
        elif word[:1] != "-":
            return False
        elif word.startswith(("--e", "--p", "--r", "--b")) or (
            word[1:2] != "-" and not letters.isdisjoint(word)
        ):
            return True
        elif word == "-m":
            return False
        else:
            values = word in ("-W", "-X", "-I", "-C", "-d")
    return False


def _text_concerns(text: str) -> bool:
    """Whether text for a launcher or shell names a program of some rule, and one of its literals."""
    if True in map(_text_word_concerns, text.split()):
        return True
    names = {spelled for word in _WORDS.findall(text) if (spelled := _SPELLED.get(word) or _stem(word))}
    padded = f" {text} "
    return any(name in _ALWAYS or _any_hint(padded, _NAMED_GROUPS[name, True]) for name in names)


def _stem(word: str) -> str:
    """python3.11 is a spelling of python; a name that is cut short is nothing."""
    if word[-1] in "0123456789" and (name := program_name(word)) in _NAMED:
        return name
    return ""


def out_of_place(fact: ProcessFact) -> bool:
    """Whether an accounting rule could hold: where the process is, its file, what it calls itself."""
    exe = fact.exe
    if fact.run_ended or (
        fact.marker is not None and fact.run_cgroup and not inside(fact.cgroup, fact.run_cgroup)
    ):
        return True
    if fact.argv and fact.argv[0][:1] == "[" and fact.argv[0].startswith(KERNEL_LIKE):
        return True
    if not exe.startswith(SYSTEM_PLACES) or exe.endswith("(deleted)"):
        return exe.startswith(("/memfd:", "memfd:", *SCRATCH_PLACES)) or fact.zone == "run"
    return False
