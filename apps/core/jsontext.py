"""JSON that a host, a trace or an AI agent could have written, as PostgreSQL can keep it."""

import json
from typing import Any

import msgspec

from apps.core.text import storable

DEEPEST = 16
MOST_ITEMS = 256
LONGEST_TEXT = 8192
_encode = msgspec.json.Encoder().encode


def storable_json(value: Any, *, depth: int = 0) -> Any:
    """`value` without NUL, lone surrogates, NaN or huge numbers; long, wide and deep parts are cut."""
    if isinstance(value, str):
        return storable(value, limit=LONGEST_TEXT)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:LONGEST_TEXT]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[:MOST_ITEMS]
        return {storable(str(key), limit=256): storable_json(inner, depth=depth + 1) for key, inner in items}
    if isinstance(value, list | tuple):
        return [storable_json(inner, depth=depth + 1) for inner in value[:MOST_ITEMS]]
    return storable(str(value), limit=LONGEST_TEXT)


def json_text(value: Any, *, limit: int = 65_536) -> str:
    """`value` as JSON text for a COPY into a jsonb column; beyond `limit` its head is kept as text."""
    try:
        text = _encode(value).decode()
    except RecursionError:
        text = ""
    if not text or "\\u0000" in text or len(text) > 2048:
        text = json.dumps(storable_json(value), ensure_ascii=False, separators=(",", ":"))
    if len(text) > limit:
        text = json.dumps({"cut": storable(text, limit=limit // 2)}, ensure_ascii=False)
    return text
