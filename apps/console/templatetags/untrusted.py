"""Text that a host, a trace or an AI agent could choose: shown as text, never as markup."""

import json
import re

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from apps.core.text import visible

# A terminal control sequence is marked as one piece; else each byte or character that does not print.
_ODD = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[^\n\t\x20-\x7e]")
_SPACE = re.compile(r"[ \t]*[\r\n]+[ \t]*|[ \t]{2,}")


def as_text(value: object) -> str:
    """The text of `value`: an argv list quoted as it was split, other data as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return " ".join(_word(item) for item in value)
    return json.dumps(value, ensure_ascii=False, default=str)


def hostile(value: object, limit: int = 240) -> SafeString:
    """One line: runs of space folded, control characters spelt out, cut at `limit`."""
    text = as_text(value)
    cut = len(text) > limit
    line = _SPACE.sub(" ", text[:limit]).strip()
    return mark_safe(escape(visible(line)) + ("…" if cut else ""))  # noqa: S308 - escaped on this line


def hostile_block(value: object, limit: int = 8192) -> SafeString:
    """Several lines, for a `<pre>`: control characters spelt out and marked, cut at `limit`."""
    text = as_text(value)
    shown = _marked(text[:limit])
    if len(text) > limit:
        shown += f"\n… {len(text) - limit:,} more characters, not shown"
    return mark_safe(shown)  # noqa: S308 - every piece is escaped in _marked


def controls(value: object, limit: int = 8192) -> int:
    """How many control sequences `hostile_block` spells out."""
    return sum(_hidden(found.group()) for found in _ODD.finditer(as_text(value)[:limit]))


def _marked(text: str) -> str:
    pieces: list[str] = []
    end = 0
    for found in _ODD.finditer(text):
        pieces.append(escape(text[end : found.start()]))
        shown = escape(visible(found.group()))
        pieces.append(f'<span class="ctl">{shown}</span>' if _hidden(found.group()) else shown)
        end = found.end()
    pieces.append(escape(text[end:]))
    return "".join(pieces)


def _hidden(piece: str) -> bool:
    return visible(piece) != piece


def _word(item: str) -> str:
    plain = item and not re.search(r"[\s'\"\\$`;&|<>()*?#~]", item)
    return item if plain else "'" + item.replace("'", "'\\''") + "'"
