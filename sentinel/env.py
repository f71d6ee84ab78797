"""Typed readers of the environment: a wrong value stops the start with one sentence.

Every variable read here is in `docs/settings.md`; a test holds the two together.
"""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    """The variable as text; empty counts as not set."""
    return os.environ.get(name, "") or default


def flag(name: str, default: bool = False) -> bool:
    """The variable as yes or no."""
    value = text(name).lower()
    if value in ("", "1", "0", "yes", "no", "on", "off", "true", "false"):
        return value in ("1", "yes", "on", "true") if value else default
    raise ImproperlyConfigured(f"{name} is {value!r}: set it to on or off.")


def number(name: str, default: int, *, low: int, high: int) -> int:
    """The variable as a whole number between `low` and `high`."""
    value = text(name, str(default))
    if not value.isdecimal() or not low <= int(value) <= high:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a whole number from {low} to {high}.")
    return int(value)


def names(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """The variable as a comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()] or list(default)


def version() -> str:
    """The newest version of the changelog: the one place where it is written."""
    text = (ROOT / "CHANGELOG.md").read_text()
    return next(line.removeprefix("## ") for line in text.splitlines() if line.startswith("## "))


def home() -> Path:
    """The folder that holds all state: `SENTINEL_HOME`, else `var/` beside the code."""
    return Path(text("SENTINEL_HOME", str(ROOT / "var"))).expanduser().resolve()


# A statement that comes again is planned once a connection: of what a small batch or a page costs, a fifth.
PREPARED = {"server_side_binding": True, "prepare_threshold": 5}


def database(url: str) -> dict[str, object]:
    """Django's connection settings from a `postgresql://` URL (a socket folder goes into `?host=`)."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured("DATABASE_URL has to begin with postgresql:// (PostgreSQL 14 or newer).")
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": query.pop("port", str(parts.port or "")),
        "OPTIONS": PREPARED | query,
    }
