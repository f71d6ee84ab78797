"""Somebody was signed in: a session server stands between the process and anything of the run."""

import ipaddress
from collections.abc import Iterable

from apps.attribution.case import Case, Kin, Match
from apps.attribution.choices import Origin

REMOTE = frozenset(
    {"sshd", "sshd-session", "dropbear", "telnetd", "in.telnetd", "mosh-server", "xrdp-sesman"}
)
LOCAL = frozenset({"login", "agetty", "getty", "su", "sudo", "gdm-session-worker", "lightdm"})
INBOUND, CONSOLE = 60, 50


def match(case: Case) -> list[Match]:
    """The nearest session above the process. One above the run is how the run was launched: no rival."""
    for kin in case.line:
        if case.marked(kin):
            return []
        if kin.program in REMOTE:
            return [_inbound(kin)]
        if kin.program in LOCAL:
            says = f"A local session ({kin.program}, pid {kin.pid}) is among its ancestors."
            return [Match("session", CONSOLE, says, against=True, origin=Origin.OPERATOR)]
    return []


def _inbound(kin: Kin) -> Match:
    outside = next(iter(_public(kin.peers)), None)
    origin = Origin.EXTERNAL if outside else Origin.OPERATOR
    whence = f" from {outside}" if outside else ""
    says = f"An inbound session{whence} ({kin.program}, pid {kin.pid}) is among its ancestors."
    return Match("session", INBOUND, says, against=True, origin=origin)


def _public(peers: Iterable[str]) -> Iterable[str]:
    for peer in peers:
        try:
            address = ipaddress.ip_address(peer.rsplit(":", 1)[0].strip("[]"))
        except ValueError:
            continue
        if address.is_global:
            yield str(address)
