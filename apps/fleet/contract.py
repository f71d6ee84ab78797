"""What a run may do: read from what people wrote, compared with what was seen. Nothing here knows a table.

A list that is absent restricts nothing; a list that is empty allows nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import PurePosixPath
from typing import Any

import yaml

from apps.core.text import storable, visible

MOST_TEXT = 65_536  # characters of YAML
MOST_ENTRIES = 200
LONGEST = 256
WORDS = {"destinations": "destination", "programs": "program", "gpu_owners": "GPU owner"}
USER = re.compile(r"uid:(\d{1,10})")
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Unreadable(ValueError):
    """Every reason why a contract cannot be taken, each with its place in it."""

    def __init__(self, wrong: list[str]) -> None:
        self.wrong = wrong
        super().__init__(" ".join(wrong))


@dataclass(frozen=True, slots=True)
class Destination:
    """A network, and a port where not every one is meant."""

    network: Network
    port: int | None

    def holds(self, address: Address, port: int | None) -> bool:
        """Whether a peer lies in it."""
        return address in self.network and self.port in (None, port)


@dataclass(frozen=True, slots=True)
class Contract:
    """Entries as they were written, in order; None where nothing is said."""

    destinations: tuple[str, ...] | None = None
    programs: tuple[str, ...] | None = None
    gpu_owners: tuple[str, ...] | None = None
    note: str = ""

    @property
    def body(self) -> dict[str, Any]:
        """As it is stored, and read again by `of`."""
        lists = {name: list(entries) for name in WORDS if (entries := getattr(self, name)) is not None}
        return lists | ({"note": self.note} if self.note else {})

    def allows_peer(self, peer: str) -> bool:
        """Whether a connection to `peer` (`198.51.100.7:443`) is within it; what is no address is not."""
        if self.destinations is None:
            return True
        found = _peer(peer)
        return found is not None and any(_destination(entry).holds(*found) for entry in self.destinations)

    def allows_program(self, exe: str, called: str = "") -> bool:
        """Whether the program file `exe` is within it; where none was seen, its own word `called` counts."""
        return self.programs is None or _program_in(self.programs, exe or called)

    def allows_on_gpu(self, exe: str, called: str = "", uid: int | None = None) -> bool:
        """Whether a program, or its user, may hold a GPU."""
        if self.gpu_owners is None or _program_in(self.gpu_owners, exe or called):
            return True
        return uid is not None and f"uid:{uid}" in self.gpu_owners


def from_yaml(text: str) -> Contract:
    """The contract in a YAML (or JSON) document. Raises Unreadable."""
    if len(text) > MOST_TEXT:
        raise Unreadable([f"The document is longer than {MOST_TEXT:,} characters."])
    try:
        found = yaml.load(text, Loader=_Plain)  # noqa: S506 - a SafeLoader without aliases
    except yaml.MarkedYAMLError as error:
        raise Unreadable([_where(error)]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable([f"This is not YAML: {visible(str(error), limit=200)}."]) from None
    return of(found if found is not None else {})


def of(found: Any) -> Contract:
    """The contract in plain data. Raises Unreadable with everything that is wrong in it."""
    if not isinstance(found, Mapping):
        raise Unreadable(["A contract is a mapping with the keys destinations, programs and gpu_owners."])
    known = ", ".join(WORDS)
    unknown = [visible(str(key), limit=60) for key in found if key not in (*WORDS, "note")]
    wrong = [f"{key}: there is no such key; known are {known}." for key in unknown[:20]]
    note = found.get("note") or ""
    if not isinstance(note, str) or len(note) > LONGEST * 4:
        wrong.append(f"note: a text of at most {LONGEST * 4:,} characters.")
    lists = {name: _entries(name, found.get(name), wrong) for name in WORDS}
    if wrong:
        raise Unreadable(wrong)
    return Contract(**lists, note=storable(note, limit=LONGEST * 4))


def loosened(new: Contract, old: Contract) -> list[str]:
    """What `new` allows and `old` did not, in words: each needs an end."""
    found: list[str] = []
    for name, word in WORDS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before is None:
            continue
        if after is None:
            found.append(f"every {word}")
            continue
        within = _covered if name == "destinations" else _named
        found += [f"{word} {entry}" for entry in after if not within(entry, before)]
    return found


def written(contract: Contract) -> str:
    """The contract as YAML, as a person changes it."""
    lines = []
    for name, entries in contract.body.items():
        if name == "note":
            lines.append(f"note: {_quoted(entries)}")
        elif entries:
            lines += [f"{name}:", *(f"  - {_quoted(entry)}" for entry in entries)]
        else:
            lines.append(f"{name}: []")
    return "\n".join(lines) + "\n" if lines else ""


class _Plain(yaml.SafeLoader):
    """Neither aliases, which grow a small text without bound, nor a key that is given twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not read here", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, "a key is given twice", key.start_mark)
        return super().construct_mapping(node, deep)


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f"Line {mark.line + 1}: " if mark else ""
    return f"{line}this is not read as YAML: {visible(str(error.problem or error.context), limit=200)}."


def _entries(name: str, found: Any, wrong: list[str]) -> tuple[str, ...] | None:
    if found is None:
        return None
    if not isinstance(found, list):
        wrong.append(f"{name}: a list, one entry a line with a dash before it; [] allows none.")
        return None
    if len(found) > MOST_ENTRIES:
        wrong.append(f"{name}: at most {MOST_ENTRIES} entries, these are {len(found):,}.")
        return None
    for place, entry in enumerate(found, start=1):
        if problem := _problem(name, entry):
            wrong.append(f"{name}, entry {place}: {problem}")
    return tuple(entry for entry in found if isinstance(entry, str))


def _problem(name: str, entry: Any) -> str:
    """Why an entry cannot be taken; empty where it can."""
    if not isinstance(entry, str):  # 22:30 without quotes is a number in YAML
        what = "a number" if isinstance(entry, int | float) else "no text"
        return f"{visible(str(entry), limit=60)} is read as {what}; put it in quotes."
    if not entry.strip() or len(entry) > LONGEST:
        return f"a text of 1 to {LONGEST} characters."
    if visible(entry) != entry or "\n" in entry:
        return "it has a character that cannot be seen."
    return _CHECKS[name](entry)


def _bad_destination(entry: str) -> str:
    try:
        _destination(entry)
    except ValueError:
        return (
            f"{entry} is no address, network or address:port. Names are not taken:"
            " hosts see addresses, and who answers for a name can change."
        )
    return ""


def _bad_program(entry: str) -> str:
    if "/" in entry and not entry.startswith("/"):
        return f"{entry} is neither the name of a program nor a whole path from /."
    return ""


def _bad_owner(entry: str) -> str:
    if entry.startswith("uid:") and not USER.fullmatch(entry):
        return f"{entry} is no user number: uid:1000."
    return _bad_program(entry)


_CHECKS: dict[str, Callable[[str], str]] = {
    "destinations": _bad_destination,
    "programs": _bad_program,
    "gpu_owners": _bad_owner,
}


def _destination(entry: str) -> Destination:
    """`10.0.0.0/8`, `203.0.113.7:443`, `10.0.0.0/8:443`, `[2001:db8::1]:443`, `2001:db8::/32`."""
    host, port = _split(entry)
    return Destination(ip_network(host, strict=False), port)


def _split(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    plain = re.fullmatch(r"([^:\[\]]+)(?::(\d{1,5}))?", text)
    found = bracketed or plain
    if not found:
        return text, None  # an IPv6 address or network without a port
    port = int(found[2]) if found[2] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError(text)
    return found[1], port


def _peer(text: str) -> tuple[Address, int | None] | None:
    try:
        host, port = _split(text)
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address, port


def _covered(entry: str, before: Iterable[str]) -> bool:
    new = _destination(entry)
    return any(
        old.network.version == new.network.version
        and new.network.subnet_of(old.network)  # type: ignore[arg-type] # of one version, as the line above says
        and old.port in (None, new.port)
        for old in map(_destination, before)
    )


def _named(entry: str, before: Iterable[str]) -> bool:
    return _program_in(before, entry)


def _program_in(entries: Iterable[str], program: str) -> bool:
    return program in entries or (program.startswith("/") and PurePosixPath(program).name in entries)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
