"""Looking around in the network, and waiting for a service of one's own."""

import pytest

from apps.detection.facts import SocketFact
from apps.detection.rules.probing.sockets import HOSTS_ON_ONE_PORT, PORTS_ON_ONE_HOST
from tests.detection.cases import families, rules_on

PROBES = (
    "nmap -sn 10.0.0.0/24",
    "sudo nmap -sS -T4 -A -v 192.168.1.0/24",
    "masscan -p1-65535 10.0.0.0/8 --rate=1000",
    "fping -g 10.0.0.0/24",
    "hydra -l root -P words.txt ssh://10.0.0.5",
    "for i in {1..254}; do ping -c 1 -W 1 192.168.1.$i | grep '64 bytes' & done",
    'for port in $(seq 1 65535); do timeout 1 bash -c "</dev/tcp/10.0.0.5/$port" && echo $port; done',
    "for((i=1;i<255;i++)); do ping -c1 10.0.0.$i; done",
    "i=1; while [ $i -lt 255 ]; do ping -c1 10.0.0.$i; i=$((i+1)); done",
    "for p in 22 80 443 8080 9200; do (echo > /dev/tcp/10.0.0.5/$p) 2>/dev/null && echo $p; done",
    "for ip in 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4; do curl -m1 http://$ip:8080; done",
    "seq 1 254 | xargs -P 50 -I{} ping -c1 -W1 10.0.0.{}",
    "seq 1 65535 | xargs -P100 -I{} sh -c 'nc -zw1 10.0.0.5 {} && echo {}'",
    "nc -zv 10.0.0.5 1-65535",
    "nc -nvz -w1 10.0.0.5 22 80 443 6379",
    "curl -s http://10.0.0.[1-254]:9200/",
    'python3 -c "import socket\nfor p in range(1,1025):\n'
    " s=socket.socket()\n print(p, s.connect_ex(('10.0.0.5',p)))\"",
    "python3 - <<'END'\nimport socket\nfrom concurrent.futures import ThreadPoolExecutor\n"
    "def t(p):\n    return socket.socket().connect_ex(('10.0.0.5', p)) == 0\n"
    "list(ThreadPoolExecutor(99).map(t, range(1, 10000)))\nEND",
    "python3 port_scanner.py 10.0.0.0/24",
)
BENIGN = (
    "nc -zv ray-head 6379",
    "until nc -z localhost 5432; do sleep 1; done",
    "for i in $(seq 1 30); do curl -sf http://localhost:8000/health && break; sleep 2; done",
    "for i in {1..60}; do nc -z ray-head 6379 && break; sleep 1; done",
    "while ! nc -z redis 6379; do sleep 0.1; done",
    "for host in node1 node2; do ssh $host nvidia-smi; done",
    "for f in *.txt; do curl -O https://example.org/$f; done",
    "ping -c 3 google.com",
    "nmap --version",
    "curl 'http://localhost:8080/items?range=[1-9]' -d '{\"messages\":[{\"a\":1}]}'",
    "wget https://data.example/shard-{0..9}.tar",
    "apt-get install -y nmap masscan",
    "python scan_dataset.py --workers 8",
    'python3 -c "import time\nfor _ in range(30): time.sleep(1)"',
    "grep -rn 'nmap -sS' docs",
    "which nmap",
)


@pytest.mark.parametrize("text", PROBES)
def test_probing_is_seen(text: str) -> None:
    assert "probing" in families(text)


@pytest.mark.parametrize("text", BENIGN)
def test_waiting_and_fetching_are_left_alone(text: str) -> None:
    assert "probing" not in families(text)


def socket(targets: list[str], zone: str = "run", program: str = "python3") -> SocketFact:
    return SocketFact(
        (program, "a.py"), "/usr/bin/" + program, "SYN_SENT", "10.0.0.7:45210", targets[0], zone,
        recent_targets=tuple(targets),
    )  # fmt: skip


def test_many_service_ports_of_one_internal_host_are_a_scan() -> None:
    ports = [f"10.0.0.5:{port}" for port in range(20, 20 + PORTS_ON_ONE_HOST)]
    assert rules_on(socket(ports)) == {"many-targets"}
    assert rules_on(socket(ports[:-1])) == set()


def test_one_service_port_of_many_internal_hosts_is_a_sweep() -> None:
    hosts = [f"10.0.0.{number}:22" for number in range(1, 1 + HOSTS_ON_ONE_PORT)]
    assert rules_on(socket(hosts)) == {"many-targets"}
    assert rules_on(socket(hosts[:-1])) == set()


def test_collective_communication_on_high_ports_is_not() -> None:
    ranks = [f"10.0.{number}.5:{40000 + number}" for number in range(64)]
    assert rules_on(socket(ranks)) == set()
    assert rules_on(socket([f"10.0.0.5:{40000 + number}" for number in range(64)])) == set()


def test_downloads_from_many_outside_hosts_are_not() -> None:
    assert rules_on(socket([f"151.101.{number}.63:443" for number in range(64)])) == set()


def test_a_monitoring_server_of_the_host_may_visit_everybody_but_not_from_within_a_run() -> None:
    hosts = [f"10.0.0.{number}:9100" for number in range(1, 60)]
    assert rules_on(socket(hosts, zone="host", program="prometheus")) == set()
    assert rules_on(socket(hosts, zone="run", program="prometheus")) == {"many-targets"}
