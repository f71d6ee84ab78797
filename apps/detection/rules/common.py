"""What several families need to know: mentions, addresses, shells."""

import ipaddress
import re
from collections.abc import Iterable

from apps.detection.argv.names import names

# Programs whose arguments are looked for, shown or stored: naming a thing there is not using it.
MENTIONS = names(
    """
    grep rg ag ack sed awk echo printf cat less more head tail cut sort uniq wc diff cmp git gh glab hg svn
    pgrep pkill killall kill find locate fd which whereis type command man tldr apropos whatis info help
    test [ [[ ls tree stat file vim nano emacs code tee jq yq pytest ruff mypy tox make cmake pip pipx uv
    apt apt-get dpkg yum dnf rpm brew conda npm yarn cargo go docker-compose history alias ps top htop lsof
    ss netstat journalctl dmesg zip tar claude codex llm read case select export declare local set unset
    true false : logger wall notify-send cowsay figlet basename dirname realpath touch mkdir rm cp mv ln
    chmod chown helm terraform ansible-lint shellcheck ausearch zeek suricata falco yara clamscan base64
    md5sum sha256sum strings hexdump xxd column fold fmt nl
    """
)
SCRIPT_ENDINGS = (".py", ".sh", ".js", ".jar", ".pl", ".rb")
HELP = names(
    """
    --help -h --version -V -version help version --usage completion -help
    """
)
SHELL_PATH = re.compile(
    r"(?:^|[\s'\"=:,(\[])(?:/(?:usr/)?(?:local/)?bin/(?:env )?)?(?:ba|da|z|k|a|tc|c|fi)?sh\b"
)
_ENDPOINT = re.compile(r"^\[?([0-9A-Za-z_.:-]*?)\]?:(\d{1,5})$")


def asks_for_help(args: tuple[str, ...]) -> bool:
    """Whether the program would only print how it is used."""
    return not args or args[0] in HELP or "--help" in args or "--version" in args


def split_endpoint(text: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port`, `*:port`; ("", 0) if it is none."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5:
        return "", 0
    return host.strip("[]"), int(port)


def is_address(host: str) -> bool:
    """Whether it is an IP address, not a name."""
    return _address(host) is not None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine alone."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_internal(host: str) -> bool:
    """Whether the address is loopback, private or link-local."""
    address = _address(host)
    return host == "localhost" or (
        address is not None and (address.is_private or address.is_loopback or address.is_link_local)
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def first_with(words: Iterable[str], *needles: str) -> str:
    """The first word that contains one of the needles (given in lower case)."""
    return next((word for word in words if any(needle in word.lower() for needle in needles)), "")
