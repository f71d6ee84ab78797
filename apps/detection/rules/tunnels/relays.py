"""General tools bent into relays: socat, netcat in pairs, packet filter redirects, emulators."""

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.reading import Reading
from apps.detection.rules.base import Detail, Rule

_LISTEN = (
    "tcp-listen", "tcp4-listen", "tcp6-listen", "tcp-l", "openssl-listen", "ssl-l", "udp-listen",
    "udp4-listen", "udp-l", "sctp-listen", "vsock-listen", "ws-listen",
)  # fmt: skip
_CONNECT = (
    "tcp", "tcp4", "tcp6", "tcp-connect", "tcp4-connect", "tcp6-connect", "openssl", "ssl",
    "openssl-connect", "udp", "udp4", "udp-connect", "socks4", "socks4a", "socks5", "proxy",
    "proxy-connect", "tun", "unix-connect", "unix", "vsock-connect", "openssl-dtls-client", "sctp",
    "sctp-connect",
)  # fmt: skip
_TABLE_OPTIONS = names("--jump --table --append --insert --to-destination --dport --to-ports")
_NETCATS = frozenset({"nc", "ncat", "cryptcat", "rcat", "rustcat"})


def socat_addresses(args: tuple[str, ...]) -> list[tuple[str, str]]:
    """The (kind in lower case, rest) of each address of a socat call."""
    operands = getopt(args, "b:l:f:t:T:d::x::L:W:r:R:", permute=True).rest
    return [(word.partition(":")[0].lower(), word.partition(":")[2]) for word in operands[:2]]


def _socat(invocation: Invocation) -> Detail | None:
    kinds = socat_addresses(invocation.args)
    if len(kinds) != 2:
        return None
    (first, left), (second, right) = kinds
    if first in _LISTEN and (second in _CONNECT or second in _LISTEN):
        return {"listen": left.partition(",")[0], "target": right.partition(",")[0]}
    if second in _LISTEN and first in _CONNECT:
        return {"listen": right.partition(",")[0], "target": left.partition(",")[0]}
    two_ends = first in _CONNECT and second in _CONNECT
    return {"target": left.partition(",")[0], "server": right.partition(",")[0]} if two_ends else None


def _netcat_pair(reading: Reading) -> Detail | None:
    """`nc -l ... | nc host port`: two netcats in one pipeline are a relay."""
    for stages in reading.pipelines:
        pairs = [i for stage in stages for i in stage if i.program in _NETCATS]
        if len(pairs) > 1:
            return {"first": " ".join(pairs[0].argv), "second": " ".join(pairs[1].argv)}
    return None


def _ncat_relay(invocation: Invocation) -> Detail | None:
    """ncat that runs another ncat, or is a proxy server."""
    options = getopt(
        invocation.args,
        "c:e:p:s:g:G:i:m:o:x:w:d:T:",
        frozenset({"--exec", "--sh-exec", "--proxy-type", "--proxy"}),
    )
    for value in options.values("c", "e", "--exec", "--sh-exec"):
        if any(word.rpartition("/")[2] in _NETCATS for word in value.split()):
            return {"relay": value}
    serves = options.has("l", "--listen") and options.has("--proxy-type") and not options.has("--proxy")
    return {"proxy": options.value("--proxy-type")} if serves else None


def _redirect(invocation: Invocation) -> Detail | None:
    """DNAT and REDIRECT lead connections elsewhere."""
    args = invocation.args
    jump = getopt(args, "t:A:I:D:j:p:s:d:i:o:m:", _TABLE_OPTIONS)
    if not jump.has("A", "I", "--append", "--insert") or jump.value("j", "--jump") not in (
        "DNAT",
        "REDIRECT",
    ):
        return None
    target = jump.value("--to-destination", "--to-ports", "--to-port")
    return {
        "listen": jump.value("--dport"),
        "target": target,
        "chain": jump.value("A", "I", "--append", "--insert"),
    }


def _emulator(invocation: Invocation) -> Detail | None:
    joined = next((word for word in invocation.args if "hostfwd=" in word or "guestfwd=" in word), "")
    sockets = [word for word in invocation.args if word.startswith("socket,") and "connect=" in word]
    return {"forward": joined or sockets[0]} if joined or sockets else None


SOCAT = Rule(
    slug="socat-relay",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1090",
    title="Port forward by socat",
    description=(
        "socat listens on one side and connects on the other, or joins two outgoing connections."
    ),
    false_positives="A container's side-car that bridges a socket.",
    examples=(
        "socat TCP-LISTEN:8080,fork,reuseaddr TCP:10.0.0.5:80",
        "socat tcp:203.0.113.9:443 tcp:127.0.0.1:22",
    ),
    match=_socat,
    programs=frozenset({"socat"}),
)  # fmt: skip
NETCAT_PAIR = Rule(
    slug="netcat-relay",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1090",
    title="Relay of two netcats",
    description="Two netcats joined in one pipeline pass a connection on.",
    false_positives="None known.",
    examples=("mkfifo p; nc -l -p 8080 < p | nc 10.0.0.5 80 > p",),
    match=_netcat_pair,
    reads="reading",
    programs=_NETCATS,
    hints=("|",),
)
NCAT_RELAY = Rule(
    slug="ncat-relay",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1090",
    title="Relay or proxy by ncat",
    description="ncat hands each connection to another ncat, or serves as a proxy.",
    false_positives="None known.",
    examples=("ncat -lkv 8080 -c 'ncat 10.0.0.5 80'", "ncat -l 3128 --proxy-type http"),
    match=_ncat_relay,
    programs=_NETCATS,
)
PACKET_REDIRECT = Rule(
    slug="packet-redirect",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="medium",
    technique="T1090",
    title="Packets led to another address",
    description="A packet filter rule (DNAT or REDIRECT) that leads connections elsewhere.",
    false_positives=(
        "Container engines and service meshes set such rules themselves; expect them on the host."
    ),
    examples=(
        "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5:8080",
    ),
    match=_redirect,
    programs=frozenset({"iptables", "ip6tables", "iptables-legacy", "iptables-nft"}),
)  # fmt: skip
EMULATOR = Rule(
    slug="emulator-forward",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1572",
    title="Network link through an emulator",
    description="QEMU started with a forward or a socket back-end is a tunnel that needs no extra tool.",
    false_positives="Virtual machines with a forwarded SSH port on a developer's host.",
    examples=("qemu-system-x86_64 -m 1M -netdev socket,id=n,connect=203.0.113.9:443 -nographic",),
    match=_emulator,
    programs=frozenset({"qemu-system-x86_64", "qemu-system-aarch64", "qemu-system-i386", "qemu-kvm"}),
)
RULES = (SOCAT, NETCAT_PAIR, NCAT_RELAY, PACKET_REDIRECT, EMULATOR)
