"""Programs made for tunnels: known by name and subcommand, and by the shape of their arguments if renamed."""

import re

from apps.detection.argv import getopt, single_dash
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import MENTIONS, asks_for_help, first_with
from apps.detection.rules.tunnels.knowledge import COVERT as COVERT_TOOLS
from apps.detection.rules.tunnels.knowledge import OVERLAYS, PROXIES, TUNNEL_VERBS, TUNNELS

_PASSIVE = names(
    """
    verify config authtoken add-authtoken update upgrade status list diagnose
    """
)
_REMOTE_SPEC = re.compile(r"^R:(?:[\w.*\[\]-]*:)?(?:\d{1,5}|socks)(?:[:/]|$)")


def _reverse_tool(invocation: Invocation) -> Detail | None:
    args = invocation.args
    if asks_for_help(args) and (args or invocation.program not in ("frpc", "frps", "tmate", "sshx", "ttyd")):
        return None
    verbs = TUNNEL_VERBS.get(invocation.program, frozenset())
    words = [word for word in args if word[:1] != "-"]
    if verbs and not verbs.intersection(words):
        return None
    if words and words[0] in _PASSIVE:
        return None
    return {"tool": invocation.program, "arguments": " ".join(args)}


def _cloudflared(invocation: Invocation) -> Detail | None:
    """`tunnel` in all its forms, and `access tcp`; only listing and checking is left out."""
    words = [word for word in invocation.args if word[:1] != "-"]
    if not words or words[0] not in ("tunnel", "access", "service") or "--help" in invocation.args:
        return None
    if set(words[1:3]) & {"list", "info", "cleanup", "delete", "ingress", "diag"}:
        return None
    if words[0] == "access" and not set(words[1:2]) & {"tcp", "ssh", "rdp", "smb"}:
        return None
    url = single_dash(invocation.args, frozenset({"url", "hostname", "token", "config"})).values(
        "url", "hostname"
    )
    return {"tool": "cloudflared", "target": url[0] if url else "", "arguments": " ".join(invocation.args)}


def _editor_tunnel(invocation: Invocation) -> Detail | None:
    words = [word for word in invocation.args if word[:1] != "-"]
    if words[:1] != ["tunnel"] or set(words[1:2]) & {"status", "help", "kill", "prune", "unregister"}:
        return None
    return {"tool": invocation.program, "arguments": " ".join(invocation.args)}


def _forwarded_session(invocation: Invocation) -> Detail | None:
    """Eternal Terminal and GitHub's CLI forward ports from the other side."""
    if invocation.program == "et":
        options = getopt(invocation.args, "r:t:p:u:c:", frozenset({"--reversetunnel", "--tunnel"}))
        spec = options.value("r", "--reversetunnel")
        return {"listen": spec, "server": options.rest[0] if options.rest else ""} if spec else None
    ports = invocation.args[:3] == ("codespace", "ports", "forward")
    return {"tool": "gh", "arguments": " ".join(invocation.args)} if ports else None


def _renamed(invocation: Invocation) -> Detail | None:
    """chisel's and frp's argument shapes under any program name."""
    args = invocation.args
    if invocation.program in MENTIONS or invocation.program in TUNNELS:
        return None
    if args[:1] == ("client",) and (spec := next((a for a in args if _REMOTE_SPEC.match(a)), "")):
        server = next((a for a in args[1:] if a[:1] != "-" and a != spec), "")
        return {"shape": "chisel", "server": server, "target": spec}
    config = getopt(args, "c:", frozenset({"--config"})).value("c", "--config").rpartition("/")[2]
    if config.startswith(("frpc", "frps")) and config.endswith((".toml", ".ini", ".yaml", ".yml", ".json")):
        return {"shape": "frp", "configuration": config}
    if args[:2] == ("tunnel", "run") and ("--token" in args or "--url" in args):
        return {"shape": "cloudflared", "arguments": " ".join(args)}
    return None


def _ligolo(invocation: Invocation) -> Detail | None:
    """ligolo-ng calls its parts `agent` and `proxy`, earthworm is called `ew`: only their options tell."""
    options = single_dash(invocation.args, frozenset({"connect", "laddr", "bind", "proxy", "s"}))
    if invocation.program == "ew":
        modes = ("ssocksd", "rcsocks", "rssocks", "lcx_slave", "lcx_listen", "lcx_tran")
        return {"tool": "earthworm", "mode": options.value("s")} if options.value("s") in modes else None
    if invocation.program == "agent" and options.has("connect"):
        return {"tool": "ligolo-ng", "server": options.value("connect")}
    return (
        {"tool": "ligolo-ng"}
        if invocation.program == "proxy" and options.has("selfcert", "autocert")
        else None
    )


def _proxy_tool(invocation: Invocation) -> Detail | None:
    if asks_for_help(invocation.args) and invocation.args and invocation.program not in ("v2ray", "xray"):
        return None
    return {"tool": invocation.program, "arguments": " ".join(invocation.args)}


def _covert_tool(invocation: Invocation) -> Detail | None:
    if asks_for_help(invocation.args):
        return None
    generic = invocation.program.startswith(("client_linux", "server_linux"))
    if generic and not first_with(invocation.args, "--mode", "--crypt", "-r", "--key"):
        return None
    return {"tool": invocation.program, "arguments": " ".join(invocation.args)}


def _overlay(invocation: Invocation) -> Detail | None:
    verbs = OVERLAYS.get(invocation.program, frozenset())
    words = [word for word in invocation.args if word[:1] != "-"]
    if asks_for_help(invocation.args) or (verbs and not verbs.intersection(words[:1])):
        return None
    if invocation.program == "edge" and not {"-c", "-k", "-l"} & set(invocation.args):
        return None
    if invocation.program == "openvpn" and "--genkey" in invocation.args:
        return None
    return {"tool": invocation.program, "arguments": " ".join(invocation.args)}


TUNNEL_TOOL = Rule(
    slug="tunnel-tool",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Tunnel tool started",
    description=(
        "A program whose only purpose is to lead connections from outside into this network, or a terminal "
        "out of it (chisel, frp, ngrok, bore, rathole, zrok, tmate, ...), with arguments that make it do "
        "so."
    ),
    false_positives="A developer sharing a local page, a maintenance session by an operator.",
    examples=(
        "chisel client 203.0.113.9:8080 R:socks", "./frpc -c frpc.toml", "ngrok tcp 22",
        "bore local 22 --to bore.example", "nohup ./rathole client.toml &",
        "sshuttle -r user@198.51.100.7 10.0.0.0/8",
    ),
    match=_reverse_tool,
    programs=TUNNELS | TUNNEL_VERBS.keys(),
)  # fmt: skip
CLOUDFLARED = Rule(
    slug="cloudflared-tunnel",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Cloudflare tunnel",
    description=(
        "cloudflared publishes a local service through Cloudflare's network, past every inbound rule."
    ),
    false_positives="A service published on purpose.",
    examples=(
        "cloudflared tunnel --url http://localhost:8080", "cloudflared tunnel run --token eyJhIjoi",
    ),
    match=_cloudflared,
    programs=frozenset({"cloudflared", "cloudflared-linux-amd64"}),
)  # fmt: skip
EDITOR = Rule(
    slug="editor-tunnel",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="high",
    technique="T1219",
    title="Remote editor tunnel",
    description="`code tunnel` opens this machine's shell and files to a browser through the vendor's relay.",
    false_positives="A developer's own machine.",
    examples=("code tunnel --accept-server-license-terms", "code-insiders tunnel --name gpu7"),
    match=_editor_tunnel,
    programs=frozenset({"code", "code-insiders", "code-server", "cursor", "code-tunnel"}),
)
SESSION = Rule(
    slug="session-forward",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="high",
    technique="T1572",
    title="Reverse forward in a terminal session",
    description="Eternal Terminal (-r) or a codespace forwards ports from the other side.",
    false_positives="A developer's port preview.",
    examples=("et -r 8080:80 user@relay.example",),
    match=_forwarded_session,
    programs=frozenset({"et", "gh"}),
)
RENAMED = Rule(
    slug="tunnel-tool-renamed",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Arguments of a tunnel tool under another name",
    description=(
        "The arguments have the shape of chisel's reverse remotes, of frp's configuration or of a "
        "cloudflared run, whatever the program is called."
    ),
    false_positives="None known.",
    examples=(
        "./python3 client https://203.0.113.9 R:2222:localhost:22",
        "/home/u/.x/worker -c /home/u/.x/frpc.ini",
    ),
    match=_renamed,
    hints=(" r:", "frpc", "frps", "tunnel"),
    gates=("client", "frp", "tunnel"),
)  # fmt: skip
LIGOLO = Rule(
    slug="tunnel-tool-plain-name",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Tunnel tool with an everyday name",
    description="The agent or proxy of ligolo-ng, or earthworm: their names say nothing, their options do.",
    false_positives="Other programs called agent with a -connect option.",
    examples=("./agent -connect 203.0.113.9:11601 -ignore-cert",),
    match=_ligolo,
    programs=frozenset({"agent", "proxy", "ew"}),
)
PROXY_TOOL = Rule(
    slug="proxy-tool",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1090",
    title="Proxy or relay tool started",
    description="A SOCKS or HTTP proxy, a relay, Tor, or a program started through one of them.",
    false_positives="Sites that need a proxy to reach the internet.",
    examples=(
        "gost -L=:8080 -F=socks5://198.51.100.7:1080", "proxychains4 -q curl http://10.0.0.5/",
        "microsocks -p 1080",
    ),
    match=_proxy_tool,
    programs=PROXIES,
)  # fmt: skip
COVERT = Rule(
    slug="covert-channel-tool",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Tunnel inside DNS, ICMP or UDP",
    description="A program that hides a tunnel in traffic that filters let pass.",
    false_positives="None known in training fleets.",
    examples=("iodine -f -P pw t1.example.com", "./dnscat2 --dns server=198.51.100.7,port=53"),
    match=_covert_tool,
    programs=COVERT_TOOLS,
)
OVERLAY = Rule(
    slug="overlay-network",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="high",
    technique="T1572",
    title="Host joins an overlay network",
    description=(
        "tailscale, zerotier, a VPN client and the like make this host reachable from another network."
    ),
    false_positives="Fleets that run on such a network: expect it on the host, not in a run.",
    examples=(
        "tailscale up --authkey=tskey-auth-x --ssh", "openvpn --config /tmp/c.ovpn",
        "zerotier-cli join 8056c2e21c000001",
    ),
    match=_overlay,
    programs=frozenset(OVERLAYS),
)  # fmt: skip
RULES = (TUNNEL_TOOL, CLOUDFLARED, EDITOR, SESSION, RENAMED, LIGOLO, PROXY_TOOL, COVERT, OVERLAY)
