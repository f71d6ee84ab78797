"""Probing seen from the sockets: many targets in a minute, by whatever program."""

from collections import defaultdict

from apps.detection.argv.names import names, program_name
from apps.detection.facts import SocketFact
from apps.detection.rules.base import SOCKET, Detail, Rule
from apps.detection.rules.common import is_internal, split_endpoint

PORTS_ON_ONE_HOST = 12
HOSTS_ON_ONE_PORT = 20
_EPHEMERAL = 32_768  # collective libraries listen up here, one port a rank: that is traffic, not probing
# Programs that visit many hosts on one port for a living, where they belong to the host and not to a run.
_VISITORS = names(
    """
    prometheus ansible ansible-playbook pdsh clush blackbox_exporter consul kubelet slurmctld etcd haproxy
    nginx envoy telegraf zabbix_server
    """
)


def _scan(fact: SocketFact) -> Detail | None:
    if len(fact.recent_targets) < PORTS_ON_ONE_HOST or fact.state == "LISTEN":
        return None
    if fact.zone != "run" and fact.argv and program_name(fact.argv[0]) in _VISITORS:
        return None
    ports: dict[str, set[int]] = defaultdict(set)
    hosts: dict[int, set[str]] = defaultdict(set)
    for target in fact.recent_targets[:4096]:
        host, port = split_endpoint(target)
        if 0 < port < _EPHEMERAL and is_internal(host):
            ports[host].add(port)
            hosts[port].add(host)
    return _vertical(ports) or _horizontal(hosts)


def _vertical(ports: dict[str, set[int]]) -> Detail | None:
    host = max(ports, key=lambda name: len(ports[name]), default="")
    if not host or len(ports[host]) < PORTS_ON_ONE_HOST:
        return None
    return {"host": host, "ports": len(ports[host]), "for_example": [str(p) for p in sorted(ports[host])[:8]]}


def _horizontal(hosts: dict[int, set[str]]) -> Detail | None:
    port = max(hosts, key=lambda number: len(hosts[number]), default=0)
    if not port or len(hosts[port]) < HOSTS_ON_ONE_PORT:
        return None
    return {"port": port, "hosts": len(hosts[port]), "for_example": sorted(hosts[port])[:4]}


MANY_TARGETS = Rule(
    slug="many-targets",
    version=1,
    family="probing",
    behaviour="internal probing",
    level="high",
    technique="T1046",
    title="Many internal targets within a minute",
    description=f"One process or run tried {PORTS_ON_ONE_HOST} or more service ports of one internal host, "
    f"or one port of {HOSTS_ON_ONE_PORT} or more internal hosts, within a minute. Ports from {_EPHEMERAL} up "
    "do not count: collective communication uses them.",
    false_positives="A launcher that visits every worker on a fixed low port at start.",
    examples=(
        '{"argv": ["python3", "a.py"], "exe": "/usr/bin/python3", "state": "SYN_SENT", "zone": "run", '
        '"local": "10.0.0.7:45210", "remote": "10.0.0.5:80", "recent_targets": ["10.0.0.5:21", '
        '"10.0.0.5:22", "10.0.0.5:23", "10.0.0.5:25", "10.0.0.5:53", "10.0.0.5:80", "10.0.0.5:110", '
        '"10.0.0.5:143", "10.0.0.5:443", "10.0.0.5:445", "10.0.0.5:3306", "10.0.0.5:6379"]}',
    ),
    match=_scan,
    on=frozenset({SOCKET}),
    reads="fact",
    peer=("host", "port"),
)
RULES = (MANY_TARGETS,)
