"""Scans made of everyday tools: loops over ports or hosts, ranges given to netcat, curl and inline code."""

import re

from apps.detection.argv import getopt
from apps.detection.argv.interpreters import INTERPRETERS
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.reading import WRITTEN, Reading
from apps.detection.rules.base import Detail, Rule

_PROBES = names(
    """
    nc ncat telnet ping ping6 curl wget nmap arping fping hping3 host dig nslookup getent smbclient ssh
    ssh-keyscan socat openssl traceroute showmount snmpwalk redis-cli mysql psql sshpass
    """
)
_RANGE = re.compile(r"\d{1,5}-\d{1,5}$")
_SEQUENCE = re.compile(r"\{\d{1,5}\.\.\d{1,5}(?:\.\.\d{1,4})?\}|\[\d{1,5}-\d{1,5}\]")
_ADDRESS_PART = re.compile(r"(?:\d{1,3}\.){1,3}(?:\$|\{|\[|\*)")
_NETWORK = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}/\d{1,2}\b")
_MANY = 4  # values in a list before a loop over them counts as probing
_COMMON_PORTS = names(
    """
    21 22 23 25 53 80 110 135 139 143 389 443 445 873 1433 1521 2049 2375 2376 2379 3000 3306 3389 4444 5000
    5432 5601 5672 5900 5985 6379 6443 7001 8000 8080 8081 8443 8500 8888 9000 9090 9092 9200 10250 11211
    27017
    """
)


_CURL_VALUES = frozenset(
    "--" + name
    for name in [
        "data",
        "data-raw",
        "data-binary",
        "header",
        "request",
        "output",
        "user",
        "form",
        "json",
        "url-query",
    ]
)


_CODE_CONNECTS = (
    "connect_ex(", "connect((", "create_connection(", "open_connection(", "tcpsocket.", "fsockopen(",
    "net.connect(", "createconnection(", "io::socket::inet", "ping -c", "net.dial",
)  # fmt: skip
_CODE_RANGE = re.compile(
    r"range\(|\d ?\.\. ?\d|common_ports|ports ?=|ip_network\(|hosts\(\)|[a-z] ?<=? ?\d{2,5}"
    r"|for (?:p|port|ip|host|h|i) in"
)


def _many(values: tuple[str, ...]) -> bool:
    """A range, or several hosts or ports, rather than a handful of names."""
    joined = " ".join(values)
    if _SEQUENCE.search(joined) or "seq " in joined or "$(seq" in joined:
        return True
    words = joined.split()
    ports = sum(word in _COMMON_PORTS for word in words)
    addresses = sum(word.count(".") == 3 and word.replace(".", "").isdigit() for word in words)
    return ports >= _MANY or addresses >= _MANY


def _loop_over(invocation: Invocation, words: list[str]) -> str:
    """The loop variable that a probe's target is made of, if the loop runs over many hosts or ports."""
    for loop in invocation.loops:
        if loop.variable.startswith("(("):
            names = re.findall(r"[A-Za-z_]\w{0,30}", loop.variable[:200])
            used = next((n for n in names if any("$" + n in word or "${" + n in word for word in words)), "")
            if used:
                return loop.variable
        elif loop.variable and any("$" + loop.variable in word for word in words) and _many(loop.values):
            return f"{loop.variable} in {' '.join(loop.values)}"
    return ""


def _looped(reading: Reading) -> Detail | None:
    for invocation in reading.invocations:
        if not invocation.loops:
            continue
        connects = [r.target for r in invocation.redirects if r.target.startswith(("/dev/tcp/", "/dev/udp/"))]
        probing = invocation.program in _PROBES and invocation.program not in (
            "ssh",
            "sshpass",
            "curl",
            "wget",
            "dig",
            "host",
            "getent",
        )
        words = [*connects, *(invocation.args if probing or _addressed(invocation) else ())]
        if invocation.program in ("nc", "ncat", "nmap", "telnet") and (listed := _from_list(invocation)):
            return {"over": listed, "with": invocation.program}
        if words and (over := _loop_over(invocation, words)):
            return {"over": over, "with": "/dev/tcp" if connects else invocation.program}
        if (
            words
            and _counts(reading)
            and any("$" in word for word in words)
            and any(loop.kind == "while" for loop in invocation.loops)
        ):
            return {"over": "counter", "with": "/dev/tcp" if connects else invocation.program}
    return _listed(reading)


def _from_list(invocation: Invocation) -> str:
    """A loop over the lines of a file of hosts."""
    for loop in invocation.loops:
        values = " ".join(loop.values)
        if (
            loop.variable
            and values.startswith(("$(cat ", "$(<"))
            and any("$" + loop.variable in word for word in invocation.args)
        ):
            return values
    return ""


def _addressed(invocation: Invocation) -> bool:
    """curl, ssh and the like count if (part of) an address is the variable, not if a list of names is."""
    listed = [
        loop for loop in invocation.loops if sum(value.count(".") == 3 for value in loop.values) >= _MANY
    ]
    if invocation.program in _PROBES and any(
        "$" + loop.variable in word for loop in listed for word in invocation.args
    ):
        return True
    return invocation.program in _PROBES and any(
        _ADDRESS_PART.search(word) or ":$" in word for word in invocation.args
    )


def _counts(reading: Reading) -> bool:
    return any("++" in text or "+1" in text or "+ 1" in text for text in reading.texts)


def _listed(reading: Reading) -> Detail | None:
    """`seq 1 254 | xargs ping`, `echo {1..1024} | xargs nc -z`, parallel over a range."""
    for stages in reading.pipelines:
        for at, stage in enumerate(stages[1:], 1):
            for invocation in stage:
                if invocation.program not in _PROBES or not {"xargs", "parallel"} & set(invocation.via):
                    continue
                source = [i for earlier in stages[:at] for i in earlier]
                if any(i.program == "seq" or _SEQUENCE.search(" ".join(i.args)) for i in source):
                    return {"over": " ".join(source[0].argv), "with": invocation.program}
    text = " ".join(reading.texts)[:4000]
    parallel = ":::" in text and _SEQUENCE.search(text)
    probe = next((i for i in reading.invocations if i.program in _PROBES and "parallel" in i.via), None)
    return {"over": "parallel", "with": probe.program} if parallel and probe else None


def _netcat_range(invocation: Invocation) -> Detail | None:
    options = getopt(
        invocation.args,
        "c:e:i:I:o:O:p:P:q:s:T:w:x:X:g:G:m:d:",
        frozenset({"--wait", "--source-port", "--proxy"}),
    )
    ports = options.rest[1:]
    ranges = [word for word in ports if _RANGE.match(word) or _SEQUENCE.search(word)]
    several = [word for word in ports if word.isdigit()]
    if ranges or (len(several) >= _MANY and options.has("z")):
        return {"host": options.rest[0], "ports": ranges or several[:10]}
    network = options.rest[:1] and _NETWORK.search(options.rest[0])
    return {"host": options.rest[0], "ports": list(ports[:5])} if network else None


def _url_range(invocation: Invocation) -> Detail | None:
    """curl expands [1-254] in a host or port by itself."""
    operands = getopt(
        invocation.args, "A:b:c:C:d:D:e:E:F:h:H:K:m:o:P:Q:r:t:T:u:U:w:x:X:y:Y:z:", _CURL_VALUES
    ).rest
    for word in operands:
        host = word.partition("://")[2].partition("/")[0] or word.partition("/")[0]
        numeric = host[:1].isdigit() or ":[" in host or ":{" in host
        if numeric and (_SEQUENCE.search(host) or ("{" in host and "," in host)):
            return {"target": word}
    return None


def _code(invocation: Invocation) -> Detail | None:
    code = invocation.code.lower()
    if not code or WRITTEN in invocation.via:
        return None
    if any(
        word in code
        for word in ("import nmap", "portscanner(", "from scapy", "import scapy", "masscan", "python-nmap")
    ):
        return {"language": invocation.program, "code": invocation.code}
    connects = any(word in code for word in _CODE_CONNECTS)
    loops = any(
        word in code for word in ("for ", "while ", "map(", "foreach", ".each", "for(", "executor", "gather(")
    )
    ranged = _CODE_RANGE.search(code) is not None
    waits = (
        "time.sleep" in code
        and "range(" in code
        and not any(w in code for w in ("port", "hosts", "ip_network"))
    )
    return (
        {"language": invocation.program, "code": invocation.code}
        if connects and loops and ranged and not waits
        else None
    )


LOOP = Rule(
    slug="probing-loop",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Loop over hosts or ports",
    description="A loop tries many hosts or ports with /dev/tcp, netcat, ping, curl or the like.",
    false_positives="A wait for several services that lists four or more ports.",
    examples=(
        "for p in {1..65535}; do (echo >/dev/tcp/10.0.0.5/$p) 2>/dev/null && echo $p; done",
        "for i in $(seq 1 254); do ping -c1 -W1 10.0.0.$i & done",
        "seq 1 254 | xargs -P50 -I{} ping -c1 10.0.0.{}",
        "for port in 22 80 443 3306 6379; do nc -zv 10.0.0.5 $port; done",
    ),
    match=_looped,
    reads="reading",
    programs=_PROBES | {"echo", "exec", "cat", "true", ":", "printf", "timeout", "bash", "sh"},
    hints=("for ", "while ", "seq", "parallel", "until ", "for(("),
)
NETCAT_RANGE = Rule(
    slug="netcat-port-range",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Netcat over a range of ports",
    description=(
        "nc with a port range, or with four or more ports in scan mode. One port is a check, not a scan."
    ),
    false_positives="A check of a small fixed range.",
    examples=("nc -zv 10.0.0.5 1-1024", "nc -nvz -w1 10.0.0.5 22 80 443 6379"),
    match=_netcat_range,
    programs=frozenset({"nc", "ncat"}),
)
URL_RANGE = Rule(
    slug="url-host-range",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Range of hosts or ports in a URL",
    description="curl is given a range in place of a host or port and tries them all.",
    false_positives="Mirrors that are numbered.",
    examples=("curl -m1 'http://10.0.0.[1-254]:8080/'",),
    match=_url_range,
    programs=frozenset({"curl"}),
)
CODE = Rule(
    slug="scan-from-code",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Scan in inline code",
    description=(
        "Program text on a command line connects in a loop over hosts or ports, or uses a scanning library."
    ),
    false_positives="A wait loop for several services.",
    examples=(
        'python3 -c "import socket\nfor p in range(1,1025):\n s=socket.socket()\n if not s.connect_ex(('
        '\'10.0.0.5\',p)): print(p)"',
    ),
    match=_code,
    code=True,
    programs=frozenset(INTERPRETERS),
    hints=(
        "connect", "nmap", "scapy", "fsockopen", "tcpsocket", "inet", "net.dial", "portscanner", "masscan",
    ),
)  # fmt: skip
RULES = (LOOP, NETCAT_RANGE, URL_RANGE, CODE)
