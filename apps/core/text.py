"""Text that a host, a trace or an AI agent could have written, made harmless to look at."""

import re
import unicodedata

# Drawn as nothing, though of no hidden category: variation selectors, fillers, the grapheme joiner, Mongolian
# and Khmer marks without shape, the blank of Braille. A message can be smuggled in them.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_KEEP = {"\n", "\t"}


def visible(value: str, *, limit: int = 8192) -> str:
    """`value` with every control, format, direction and blank character written out as `\\x1b` or `\\u202e`.

    At most `limit` characters are kept; what is cut is said at the end.
    """
    cut = value[:limit]
    plain = cut.isprintable() and (cut.isascii() or not _BLANK.search(cut))
    shown = cut if plain else _written_out(cut)
    return shown if len(value) <= limit else f"{shown}… {len(value) - limit:,} more characters"


def _written_out(text: str) -> str:
    return "".join(_escape(char) if _unseen(char) else char for char in text)


def _unseen(char: str) -> bool:
    if char in _KEEP:
        return False
    return unicodedata.category(char) in _HIDDEN or bool(_BLANK.match(char))


def typable(value: str) -> str:
    """`value` as a person reads and can type it: no hidden characters, single spaces, none at the ends.

    A run must not escape a typed confirmation by a name that nobody can type.
    """
    return " ".join(visible(value).split())


def storable(value: str, *, limit: int) -> str:
    """`value` as PostgreSQL can keep it: no NUL, no lone surrogate, at most `limit` characters."""
    if len(value) <= limit and value.isascii() and "\x00" not in value:
        return value  # nearly all of what comes in
    kept = value[:limit].replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    return kept[:limit]  # what was written out is longer


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
