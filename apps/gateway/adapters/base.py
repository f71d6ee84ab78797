"""What every adapter answers with, and how it reads what it was sent: hostile, typed and bounded."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from apps.core.addresses import plain_address
from apps.core.text import storable
from apps.detection.choices import Level
from apps.fleet.choices import AlertFormat

MOST_ITEMS = 5_000
MOST_OPENED = 500_000  # objects and lists: each takes some hundred bytes in memory and two on the wire
MOST_INFLATED = 16 * 1024 * 1024
LONGEST = 400  # characters of one value that is kept
LARGEST_PID = 2**31
EARLIEST, LATEST = 0, 4_102_444_800  # 1970 to 2100

BLIND = "sensor is blind"
CUT = "alerts were cut"

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)? ?(Z|z|[+-]\d\d:?\d\d)?\Z", re.ASCII
)
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?\Z", re.ASCII)
_CONTAINER = re.compile(r"[0-9a-f]{12,64}\Z", re.ASCII)
_SLUG = re.compile(r"[^a-z0-9._-]+")

Item = Mapping[str, Any]


class UnreadableError(ValueError):
    """The bytes are not what the format says."""


@dataclass(frozen=True, slots=True)
class Told:
    """One alert as its sensor told it. Every text in it is hostile."""

    native: str  # what the sensor calls it; the same again is the same alert
    at: float | None  # None: the time could not be read
    rule: str  # the sensor's own id of the rule
    title: str
    behaviour: str
    level: str
    technique: str = ""
    names: tuple[str, ...] = ()  # of the host
    addresses: tuple[str, ...] = ()  # of the host
    flow: dict[str, Any] | None = None
    pid: int | None = None
    container: str = ""
    family: str = "network"
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Sheet:
    """Everything in one report."""

    told: list[Told] = field(default_factory=list)
    ignored: int = 0  # of a kind that is no alert
    resolved: int = 0  # alerts that are over: they raise nothing
    unreadable: int = 0

    def summary(self) -> dict[str, int]:
        """How many of what."""
        return {
            "alerts": len(self.told),
            "ignored": self.ignored,
            "resolved": self.resolved,
            "unreadable": self.unreadable,
        }


@dataclass(frozen=True, slots=True)
class Adapter:
    """A format. `busy` is the answer on which its sender tries again."""

    name: AlertFormat
    read: Callable[[bytes], Sheet]
    busy: int = 429


def sheet_of(content: bytes, read: Callable[[Item, Sheet], None]) -> Sheet:
    """Every item of `content`, read by `read`; one that is odd is counted and costs no other.

    Raises UnreadableError where nothing at all could be read.
    """
    sheet = Sheet()
    for item in items(content):
        try:
            if item is None:
                raise UnreadableError("it is no object")
            read(item, sheet)
        except UnreadableError:
            sheet.unreadable += 1
    if sheet.unreadable and not (sheet.told or sheet.ignored or sheet.resolved):
        raise UnreadableError("nothing in it has what an alert of this format has")
    return sheet


def items(content: bytes) -> Iterator[Item | None]:
    """The objects in one object, an array of them, or lines of one each; None stands for anything else."""
    if content.count(b"{") + content.count(b"[") > MOST_OPENED:
        raise UnreadableError(f"it has more than {MOST_OPENED:,} objects and lists")
    whole = _decoded(content)
    if whole is _NOTHING:
        whole = [_odd(line) for line in content.splitlines()[: MOST_ITEMS + 1] if line.strip()]
        if not any(isinstance(item, dict) for item in whole):
            whole = _odd(content)
    if whole is _NOTHING:
        raise UnreadableError("it is neither JSON nor lines of JSON")
    found = whole if isinstance(whole, list) else [whole]
    if len(found) > MOST_ITEMS:
        raise UnreadableError(f"it has more than {MOST_ITEMS:,} alerts: send less at a time")
    for item in found:
        yield item if isinstance(item, dict) else None


_NOTHING = object()


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError):
        return _NOTHING


def _odd(content: bytes) -> Any:
    """JSON with half a character or a byte that is none: a name that an attacker chose hides no alert."""
    strict = _decoded(content)
    if strict is not _NOTHING:
        return strict
    try:
        return json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return _NOTHING


# -- values ----------------------------------------------------------------------------------------


def inner(item: Item, *path: str) -> Any:
    """What stands at `path`, or None where something on the way is no object."""
    value: Any = item
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def obj(item: Item, *path: str) -> Item:
    """The object at `path`; an empty one where there is none."""
    value = inner(item, *path)
    return value if isinstance(value, dict) else {}


def text(item: Item, *path: str, limit: int = LONGEST) -> str:
    """The text or number at `path`, as it can be stored; empty where there is none."""
    value = inner(item, *path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return storable(str(value).strip(), limit=limit)


def whole(item: Item, *path: str) -> int | None:
    """The whole number at `path`, also where it is written as text."""
    value = inner(item, *path)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def pid_of(item: Item, *path: str) -> int | None:
    """The process id at `path`."""
    value = whole(item, *path)
    return value if value is not None and 0 < value <= LARGEST_PID else None


def texts(value: Any, *, most: int = 16, limit: int = LONGEST) -> list[str]:
    """The texts in a list, or the one that stands in its place."""
    found = value if isinstance(value, list) else [value]
    return [storable(one, limit=limit) for one in found[:most] if isinstance(one, str) and one]


def moment(value: Any) -> float | None:
    """ISO time with any offset (`Z`, `+0000`, `+00:00`) and up to nine decimals; without one it is UTC."""
    match = _TIME.match(value.strip()) if isinstance(value, str) and len(value) < 64 else None
    if match is None:
        return None
    day, clock, part, offset = match.groups()
    zone = "+0000" if offset in (None, "Z", "z") else offset.replace(":", "")
    try:
        read = datetime.strptime(f"{day}T{clock}{zone}", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    return _bounded(read.astimezone(UTC).timestamp() + float(f"0.{part or 0}"))


def epoch(value: Any, *, per_second: float) -> float | None:
    """A time as a number since 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _bounded(value / per_second) if abs(value) < 1e20 else None


def _bounded(seconds: float) -> float | None:
    return seconds if EARLIEST < seconds < LATEST else None


def technique_of(value: Any) -> str:
    """The first ATT&CK id in a text or list."""
    found = (one.strip().upper().replace("MITRE_", "") for one in texts(value, most=64))
    return next((one for one in found if _TECHNIQUE.match(one)), "")


def flow_of(proto: Any, src: Any, src_port: Any, dst: Any, dst_port: Any) -> dict[str, Any] | None:
    """A flow, where both ends are addresses."""
    ends = plain_address(src), plain_address(dst)
    if not all(ends):
        return None
    named = {"src_port": src_port, "dst_port": dst_port}
    return {
        "proto": storable(proto.lower(), limit=8) if isinstance(proto, str) else "",
        "src": ends[0],
        "src_port": whole(named, "src_port"),
        "dst": ends[1],
        "dst_port": whole(named, "dst_port"),
    }


def container_of(value: Any) -> str:
    """The id of a container; `host` is none."""
    told = value.lower() if isinstance(value, str) else ""
    return told if _CONTAINER.match(told) else ""


def slug(*parts: str) -> str:
    """A rule's name among ours."""
    words = (_SLUG.sub("-", part.lower()).strip("-.") for part in parts)
    return ".".join(word for word in words if word)[:80]


def hashed(item: Item, *names: str) -> str:
    """An id for what has none of its own: the hash of those fields, or of everything."""
    kept = [inner(item, *name.split(".")) for name in names] if names else item
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def without_empty(detail: Item) -> dict[str, Any]:
    """Only what was said."""
    return {name: value for name, value in detail.items() if value not in ("", None, [], {})}


def by_number(number: int | None, table: tuple[tuple[int, Level], ...], *, otherwise: Level) -> str:
    """The level of the first row whose number is not above `number`."""
    if number is None:
        return otherwise.value
    return next((level.value for least, level in table if number >= least), otherwise.value)
