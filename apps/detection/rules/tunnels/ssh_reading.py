"""An ssh command line read as ssh reads it: options before and after the host, -o keywords, forward specs."""

from dataclasses import dataclass

from apps.detection.argv.invocation import Invocation
from apps.detection.argv.launchers import SSH_SHORT, ssh_operands

AUTOSSH_SHORT = SSH_SHORT.replace("M", "M:")
DROPBEAR_SHORT = "p:i:tTNfgysaA::L:R:W:K:I:B:J:c:m:l:o:b:V"
PLINK_SHORT = "P:l:L:R:D:m:i:NstTvVXxaACnbg"
CLIENTS = frozenset({"ssh", "autossh", "dbclient", "dropbear-client", "plink", "slogin", "lsh"})


@dataclass(frozen=True, slots=True)
class SshCall:
    """What an ssh client was asked to do."""

    flags: frozenset[str]
    values: tuple[tuple[str, str], ...]
    settings: dict[str, list[str]]  # -o keywords in lower case
    host: str
    port: int | None
    command: tuple[str, ...]

    def forwards(self, letter: str, keyword: str) -> list[str]:
        """Forward specifications of one kind, from the option or its configuration keyword."""
        direct = [value for name, value in self.values if name == letter and value]
        return direct + [value for value in self.settings.get(keyword, ()) if value]

    @property
    def control_only(self) -> bool:
        """It speaks to a running master (and does not add a forward), or only prints something."""
        asked = [value for name, value in self.values if name == "O"]
        return bool(asked and asked[-1] != "forward") or bool(self.flags & {"G", "V", "Q"})


def read_ssh(invocation: Invocation) -> SshCall | None:
    """The call, or None if no host can be made out."""
    short = {"autossh": AUTOSSH_SHORT, "dbclient": DROPBEAR_SHORT, "plink": PLINK_SHORT}
    given, host, command = ssh_operands(invocation.args, short.get(invocation.program, SSH_SHORT))
    settings: dict[str, list[str]] = {}
    for name, value in given:
        if name == "o":
            key, _, text = value.strip().replace("=", " ", 1).partition(" ")
            settings.setdefault(key.strip().lower(), []).append(text.strip().strip('"'))
    if not host:
        host = next(iter(settings.get("hostname", ())), "")
    if not host:
        return None
    ports = [value for name, value in given if name in ("p", "P") and value.isdigit()]
    ports += settings.get("port", [])
    host, port = _host(host, int(ports[0]) if ports and ports[0].isdigit() else None)
    return SshCall(frozenset(name for name, _ in given), tuple(given), settings, host, port, command)


def _host(host: str, port: int | None) -> tuple[str, int | None]:
    if host.startswith("ssh://"):
        name, _, tail = host[6:].rstrip("/").rpartition(":")
        return (name, int(tail)) if name and tail.isdigit() else (host[6:], port)
    return host, port


def split_spec(spec: str) -> tuple[str, str]:
    """`[bind:]port:host:hostport` is (where it listens, where it leads); the latter is empty for SOCKS."""
    text = spec.replace(" ", ":", 1) if " " in spec else spec
    fields: list[str] = []
    depth = 0
    current = ""
    for char in text:
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == ":" and depth == 0:
            fields.append(current)
            current = ""
        else:
            current += char
    fields.append(current)
    if len(fields) >= 3:
        return ":".join(fields[:-2]), ":".join(fields[-2:])
    if len(fields) == 2 and "/" in fields[1]:
        return fields[0], fields[1]
    return ":".join(fields), ""


def exposed(listen: str) -> bool:
    """Whether a listener is open to other machines by its own bind address."""
    bind = listen.rpartition(":")[0].strip("[]")
    return bind in ("0.0.0.0", "*", "::") or (":" in listen and not bind)  # noqa: S104 - compared, not bound
