"""Tunnels made by libraries, and forwards written into ssh's configuration."""

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.common import first_with

_CALLS = (
    "request_port_forward", "reverse_forward_tunnel", "sshtunnelforwarder", "open_tunnel(",
    "forward_remote_port", "forward_local_port", "forward_socks", "start_remote_port_forward",
    "start_reverse_tunnel", "forward_remote(", "cancel_port_forward", "forward_remote_path", "listen_ssh(",
    "listen_reverse(", "connect_reverse(", "from pyngrok", "import pyngrok", "import ngrok",
    "ngrok.connect(", "ngrok.forward(", "flask_ngrok", "pycloudflared", "try_cloudflare",
    "flask_cloudflared", "import localtunnel", "forwardin(", "forwardout(", ".tcp_forward",
    "require('localtunnel')", "require('ngrok')", 'require("localtunnel")', 'require("ngrok")',
    "forward.remote(",
)  # fmt: skip
_MODULES = names(
    """
    pproxy sshtunnel pyngrok localtunnel proxy mitmproxy shadowsocks sshuttle
    """
)
_SCRIPTS = ("rforward.py", "reverse_ssh.py", "revsocks.py", "socks5.py", "neoreg.py", "regeorgsocksproxy.py",
            "rpivot", "shootback", "pivotnacci", "pagekite.py")  # fmt: skip


def _library(invocation: Invocation) -> Detail | None:
    code = invocation.code.lower()
    call = next((call for call in _CALLS if call in code), "") if code else ""
    return {"library_call": call, "code": invocation.code} if call else None


def _module(invocation: Invocation) -> Detail | None:
    args = invocation.args
    if "-m" in args[:-1]:
        name = args[args.index("-m") + 1]
        if name in _MODULES and not {"--help", "--version"} & set(args):
            return {"module": name, "arguments": " ".join(args)}
    script = first_with(args[:4], *_SCRIPTS)
    return (
        {"script": script, "arguments": " ".join(args)} if script.endswith(".py") or "/" in script else None
    )


def _written(invocation: Invocation) -> Detail | None:
    """A RemoteForward that goes into a client's configuration never shows in an argument."""
    targets = [r.target for r in invocation.redirects if r.op in (">", ">>", ">|")]
    if invocation.program == "tee":
        targets += [word for word in invocation.args if word[:1] != "-"]
    if not any("ssh" in target and "config" in target for target in targets):
        return None
    text = (" ".join(invocation.args) + "\n" + (invocation.stdin or "")).lower()
    keyword = next(
        (k for k in ("remoteforward", "dynamicforward", "permitremoteopen", "gatewayports") if k in text), ""
    )
    return {"keyword": keyword, "file": targets[0]} if keyword else None


LIBRARY = Rule(
    slug="tunnel-library",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Tunnel opened by inline code",
    description=(
        "Program text on a command line calls an SSH or tunnel library's forward (paramiko, asyncssh, "
        "sshtunnel, fabric, ngrok): no ssh process will ever show."
    ),
    false_positives="Notebooks that publish a demo page on purpose.",
    examples=(
        "python -c \"import paramiko;c=paramiko.SSHClient();c.connect('h');c.get_transport("
        ").request_port_forward('',2222)\"",
        "python3 - <<'E'\nfrom pyngrok import ngrok\nngrok.connect(22, 'tcp')\nE",
    ),
    match=_library,
    code=True,
    programs=frozenset({"python", "node", "ruby", "perl", "deno", "bun"}),
    hints=_CALLS,
)
MODULE = Rule(
    slug="tunnel-module",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1090",
    title="Tunnel or proxy module started",
    description="An interpreter runs a module or well-known script that is a proxy or tunnel.",
    false_positives="mitmproxy in a test bench.",
    examples=("python3 -m pproxy -l socks5://:1080", "python rforward.py -R 22 -p 2222 198.51.100.7"),
    match=_module,
    programs=frozenset({"python"}),
    hints=(*_MODULES, *_SCRIPTS),
)
WRITTEN = Rule(
    slug="ssh-configured-forward",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="high",
    technique="T1572",
    title="Forward written into an SSH configuration",
    description=(
        "Text with RemoteForward, DynamicForward or GatewayPorts is written into an ssh configuration "
        "file; a later plain `ssh host` then opens the tunnel."
    ),
    false_positives="Configuration management of login hosts.",
    examples=(
        "printf 'Host r\\n HostName 203.0.113.9\\n RemoteForward 2222 localhost:22\\n' >> ~/.ssh/config",
    ),
    match=_written,
    files=True,
    hints=("remoteforward", "dynamicforward", "permitremoteopen", "gatewayports"),
)  # fmt: skip
RULES = (LIBRARY, MODULE, WRITTEN)
