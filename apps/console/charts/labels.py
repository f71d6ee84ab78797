"""Words in figures: hostile text, control characters spelt out; short for a bar, longer for the hover."""

from pathlib import PurePosixPath
from typing import Any

from apps.console.templatetags.untrusted import as_text
from apps.core.text import visible
from apps.telemetry.models import Process

LABEL = 60
HOVER = 400


def labels(text: Any, note: Any = "", *, short: str = "") -> tuple[str, str]:
    """A label (of `short`, where that is given) and a longer one, led by `note`."""
    words = _line(text)
    long = f"{note} {words}" if note else words
    label = _line(short) if short else words
    return label if len(label) <= LABEL else f"{label[:LABEL]}…", long[:HOVER]


def command(row: Process) -> str:
    """The command line with the program's name instead of its path."""
    argv = row.argv or [row.exe]
    return as_text([PurePosixPath(str(argv[0])).name or str(argv[0]), *map(str, argv[1:])]) if argv else ""


def _line(text: Any) -> str:
    return " ".join(visible(as_text(text), limit=HOVER).split())
