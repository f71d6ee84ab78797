"""Shells out of utilities: a bare shell started by a program that has no business doing so."""

import re

from apps.detection.argv.interpreters import INTERPRETERS
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import SHELLS
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule

_DETOURS = names(
    """
    find xargs timeout nice stdbuf flock ionice taskset strace watch time chrt ltrace start-stop-daemon
    rlwrap cpulimit prlimit setarch logsave parallel unbuffer script
    """
)
_NAME = r"(?:exec )?(?:/usr)?(?:/?bin/)?(?:ba|da|z|k)?sh(?: -[ip])?(?: ?&)?"
_BARE = re.compile(
    rf"(['\"`]){_NAME}\1|!{_NAME}(?=$|\W)|(?:exec|spawn|shell|system)[ (]+{_NAME}(?=\s*(?:$|[;`'\"<&)]|\d>))"
)
_SHELL_WORDS = (
    "bin/sh", "bin/bash", "bin/dash", "bin/zsh", "=sh", "!sh", ";sh", "'sh", '"sh', "(sh", "=bash", "!bash",
    ";bash", "'bash", '"bash', " sh ", " sh;", " bash ", "exec sh", " sh'", ' sh"', "spawn sh", "shell sh",
)  # fmt: skip
_EXECUTES = re.compile(
    r"exec|system|spawn|popen|execute|shell|term|!|proc_open|passthru|run\(|startprocess", re.IGNORECASE
)
_OPTION = re.compile(
    r"(?:--checkpoint-action=exec=|--to-command=|--rsh=|-e ?|--use-compress-program=|--eval=|pre-invoke::="
    r"|-z ?|-tt ?|proxycommand[= ]|!|\.shell |\\! ?|--pager[ =]|core\.pager=|--pre=|--unzip-command=|-i ?)"
    r"['\";\s]*(?:exec )?/?(?:usr/)?(?:bin/)?(?:ba|da)?sh(?:\s|$|['\"#;])",
    re.IGNORECASE,
)


def _bare_shell(invocation: Invocation) -> Detail | None:
    """`find . -exec /bin/sh \\;`, `timeout 7d sh`: no text, no script, nothing on standard input."""
    if invocation.program not in SHELLS or not _DETOURS & set(invocation.via) or invocation.stdin is not None:
        return None
    operands = [word for word in invocation.args if word not in ("-p", "-i", "{}", ";", "+", "\\;")]
    return {"shell": invocation.argv[0], "through": list(invocation.via)} if not operands else None


def _shell_from_code(invocation: Invocation) -> Detail | None:
    code = invocation.code
    if not code or len(code) > 400:
        return None
    found = _BARE.search(" " + code + " ")
    return {"language": invocation.program, "code": code} if found and _EXECUTES.search(code) else None


def _shell_from_option(invocation: Invocation) -> Detail | None:
    text = " ".join(invocation.args[:32])[:2000]
    found = _OPTION.search(text)
    return {"program": invocation.program, "option": found.group()} if found else None


BARE_SHELL = Rule(
    slug="shell-through-utility",
    version=1,
    family="escape",
    behaviour="privilege escalation",
    level="medium",
    technique="T1059.004",
    title="Shell started through a utility",
    description=(
        "A bare shell is started by find, xargs, timeout or the like: a way past a list of allowed programs."
    ),
    false_positives="Odd habits.",
    examples=("find . -exec /bin/sh \\; -quit", "timeout 7d /bin/sh", "xargs -a /dev/null sh"),
    match=_bare_shell,
    programs=SHELLS,
    hints=tuple(name + " " for name in sorted(_DETOURS)),
)
FROM_CODE = Rule(
    slug="shell-from-interpreter",
    version=1,
    family="escape",
    behaviour="privilege escalation",
    level="medium",
    technique="T1059",
    title="Shell started from inline code",
    description=(
        "Short program text does nothing but start a shell: a way past a list of allowed programs."
    ),
    false_positives="Odd habits.",
    examples=(
        'perl -e \'exec "/bin/sh";\'', 'awk \'BEGIN {system("/bin/sh")}\'',
        'python3 -c \'import os; os.system("/bin/sh")\'',
    ),
    match=_shell_from_code,
    code=True,
    programs=frozenset(INTERPRETERS),
    hints=_SHELL_WORDS,
)  # fmt: skip
FROM_OPTION = Rule(
    slug="shell-from-option",
    version=1,
    family="escape",
    behaviour="privilege escalation",
    level="medium",
    technique="T1059.004",
    title="Shell started by an option",
    description=(
        "A program is given a shell where it expects a helper (tar's checkpoint, ssh's proxy command, a "
        "pager, a hook)."
    ),
    false_positives="None known.",
    examples=(
        "tar -cf /dev/null /dev/null --checkpoint=1 --checkpoint-action=exec=/bin/sh",
        "ssh -o ProxyCommand=';sh 0<&2 1>&2' x",
    ),
    match=_shell_from_option,
    hints=_SHELL_WORDS,
    programs=names(
        """
        tar ssh zip make apt apt-get mysql psql sqlite3 git man rsync tcpdump scp gdb nmap ftp split sed ed
        vim less bundle gem rake dpkg crontab-e wget
        """
    ),
)  # fmt: skip
RULES = (BARE_SHELL, FROM_CODE, FROM_OPTION)
