"""Tunnels made by ssh clients, read from their sockets: forwards that no argument shows."""

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import program_name
from apps.detection.facts import SocketFact
from apps.detection.rules.base import SOCKET, Detail, Rule
from apps.detection.rules.common import is_internal, is_loopback, split_endpoint
from apps.detection.rules.tunnels.ssh_reading import CLIENTS, read_ssh, split_spec

_EPHEMERAL = 32_768  # where Linux takes the local port of an outgoing connection from
_RESOLVER_PORTS = frozenset({53, 853, 5353})


def _is_client(fact: SocketFact) -> bool:
    return bool(fact.argv) and (program_name(fact.argv[0]) in CLIENTS or program_name(fact.exe) in CLIENTS)


def _second_connection(fact: SocketFact) -> Detail | None:
    """A client needs one connection. A second outgoing one is the far side using a remote forward."""
    if not _is_client(fact) or fact.remote is None or fact.state not in ("ESTABLISHED", "SYN_SENT"):
        return None
    if not _outgoing(fact.local, fact.remote):
        return None
    servers = [
        r for r in fact.other_remotes if r != fact.remote and split_endpoint(r)[1] not in _RESOLVER_PORTS
    ]
    if not servers:
        return None
    target, server = fact.remote, servers[0]
    if is_internal(split_endpoint(server)[0]) and not is_internal(split_endpoint(target)[0]):
        target, server = server, target
    return {"target": target, "server": server, "state": fact.state}


def _outgoing(local: str, remote: str) -> bool:
    """An accepted connection (someone using -L or -D) has the ephemeral port on the other side."""
    mine, theirs = split_endpoint(local)[1], split_endpoint(remote)[1]
    return theirs not in _RESOLVER_PORTS and theirs > 0 and (mine >= _EPHEMERAL or theirs < mine)


def _listening(fact: SocketFact) -> Detail | None:
    """In a run nobody sits who needs a forward: an ssh client that listens is news there."""
    if fact.state != "LISTEN" or fact.zone != "run" or not _is_client(fact):
        return None
    call = read_ssh(Invocation(fact.argv))
    if call is None:
        return {"listen": fact.local}
    specs = call.forwards("L", "localforward")
    target = split_spec(specs[0])[1] if specs else "any (SOCKS or configuration file)"
    return {"listen": fact.local, "target": target, "server": call.host, "port": call.port or 22}


def _exposed_listener(fact: SocketFact) -> Detail | None:
    host, port = split_endpoint(fact.local)
    if fact.state != "LISTEN" or fact.zone == "run" or not _is_client(fact) or is_loopback(host):
        return None
    return {"listen": fact.local, "port": port}


SECOND_CONNECTION = Rule(
    slug="ssh-second-connection",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Reverse SSH tunnel in use",
    description=(
        "An ssh client, connected to its server, opened another connection by itself: someone on the far "
        "side is coming in through a remote forward, even if no argument shows one."
    ),
    false_positives="X11 forwarding over TCP.",
    examples=(
        '{"argv": ["ssh", "-N", "relay"], "exe": "/usr/bin/ssh", "state": "ESTABLISHED", "zone": "run", '
        '"local": "127.0.0.1:40022", "remote": "127.0.0.1:22", "other_remotes": ["203.0.113.47:443"]}',
    ),
    match=_second_connection,
    on=frozenset({SOCKET}),
    reads="fact",
)
LISTENING = Rule(
    slug="ssh-forward-in-run",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="medium",
    technique="T1572",
    title="SSH port forward inside a training run",
    description=(
        "An ssh client that belongs to a run listens on a port (-L, -D or a configuration file). On a "
        "login host that is everyday work and stays silent; a run has no operator at its keyboard."
    ),
    false_positives="Runs that reach their data store through a forward: name it in the run's contract.",
    examples=(
        '{"argv": ["ssh", "-N", "-L", "5432:db:5432", "gw"], "exe": "/usr/bin/ssh", "state": "LISTEN", '
        '"zone": "run", "local": "127.0.0.1:5432", "remote": null}',
    ),
    match=_listening,
    on=frozenset({SOCKET}),
    reads="fact",
)
EXPOSED_LISTENER = Rule(
    slug="ssh-forward-exposed",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="medium",
    technique="T1572",
    title="SSH port forward open to other machines",
    description="An ssh client listens on an address other machines can reach.",
    false_positives="A shared forward on a login host.",
    examples=(
        '{"argv": ["ssh", "-N", "gw"], "exe": "/usr/bin/ssh", "state": "LISTEN", "zone": "host",'
        ' "local": "0.0.0.0:8080", "remote": null}',
    ),
    match=_exposed_listener,
    on=frozenset({SOCKET}),
    reads="fact",
)
RULES = (SECOND_CONNECTION, LISTENING, EXPOSED_LISTENER)
