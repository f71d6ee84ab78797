"""What the hub says to browsers, as exact text: every frame is made once and sent to many."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = tuple[int, str, list[str], str, int, str, datetime, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Item:
    """One feed entry, ready to be sent."""

    id: int
    topics: frozenset[str]
    at_ms: float
    text: str


def now_ms() -> int:
    """The server's clock as it travels."""
    return time.time_ns() // 1_000_000


def item(row: Row) -> Item:
    """The entry of one database row."""
    number, kind, topics, subject_kind, subject_id, by, at, detail = row
    at_ms = at.timestamp() * 1000
    shown = {
        "id": number,
        "kind": kind,
        "topics": topics,
        "subject": [subject_kind, subject_id],
        "by": by,
        "at_ms": int(at_ms),
        "detail": detail,
    }
    return Item(number, frozenset(topics), at_ms, _json(shown))


def hello(*, cursor: int) -> str:
    """The first frame: entries after `cursor` follow."""
    return _json({"hello": "sentinel-feed/1", "cursor": cursor, "server_ms": now_ms()})


def entries(items: Iterable[Item], *, cursor: int, lag_ms: int) -> str:
    """New entries; everything up to `cursor` has been seen after this frame."""
    return f'{{"entries":[{",".join(one.text for one in items)}],"cursor":{cursor},"lag_ms":{lag_ms}}}'


def resync(*, cursor: int) -> str:
    """Entries were left out: fetch the page anew; what comes after `cursor` follows as usual."""
    return _json({"resync": True, "cursor": cursor})


def beat(*, cursor: int, link: bool, lag_ms: int) -> str:
    """Every two seconds. `link` is whether the server itself hears what changes."""
    return _json({"beat": now_ms(), "server_ms": now_ms(), "link": link, "cursor": cursor, "lag_ms": lag_ms})


def pong(ping: float, *, lag_ms: int) -> str:
    """The answer to a ping, with the page's own number in it."""
    return _json({"pong": ping, "server_ms": now_ms(), "lag_ms": lag_ms})


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
