"""How a person's own command reaches the running stack's servers: `python -m sentinel.stack manage ...`."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from sentinel.env import ROOT
from sentinel.stack.home import write_private
from sentinel.stack.postgres import binaries
from sentinel.stack.problems import StackError

NAMES = ("SENTINEL_HOME", "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
FILE = "run/access.json"


def write(home: Path, env: Mapping[str, str]) -> None:
    """The addresses lie in the home, readable to its owner only, for as long as the stack runs."""
    write_private(home / FILE, json.dumps({name: env[name] for name in NAMES}))


def remove(home: Path) -> None:
    """No addresses lie there: nothing runs."""
    (home / FILE).unlink(missing_ok=True)


def read(home: Path) -> dict[str, str]:
    """The addresses of the stack that runs on `home`."""
    try:
        return {str(name): str(value) for name, value in json.loads((home / FILE).read_text()).items()}
    except FileNotFoundError as error:
        raise StackError(f"Sentinel does not run on {home}: start it with `make run` first.") from error


def become(home: Path, program: str, arguments: list[str]) -> None:
    """This process is now `program`: `manage` for Django's commands, else one of PostgreSQL's.

    PostgreSQL's programs are for backup, restore and repair, so they are the owner of the tables; `manage`
    is the services' role, like everything that runs.
    """
    env = dict(os.environ) | read(home)
    owner_url = env.pop("DATABASE_OWNER_URL")
    if program == "manage":
        os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *arguments], env)  # noqa: S606
    tool = binaries() / program
    if not tool.exists():
        raise StackError(f"There is no command {program!r}: use run, manage, psql, pg_dump or pg_restore.")
    os.execve(tool, [program, *arguments], env | libpq(owner_url))  # noqa: S606


def libpq(url: str) -> dict[str, str]:
    """The variables that PostgreSQL's programs read, so that no password stands in a command line."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    found = {
        "PGHOST": query.get("host") or parts.hostname or "",
        "PGPORT": query.get("port") or str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}
