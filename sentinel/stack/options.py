"""What the person asked for through the environment, checked before anything starts."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from sentinel import env
from sentinel.stack.problems import StackError
from sentinel.stack.upkeep import LEAST_FREE_BYTES

DRILLS = ("rome", "off")


@dataclass(frozen=True)
class Options:
    """One start's settings. An empty URL means the embedded server."""

    home: Path
    bind: str
    port: int
    drill: str
    database_url: str
    owner_url: str  # of the same database, when the services' role does not own its tables
    redis_url: str
    behind_tls: bool

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        host = "localhost" if self.bind in ("127.0.0.1", "0.0.0.0", "::") else self.bind  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def loopback(self) -> str:
        """Where a process on this machine finds it, whatever it is bound to."""
        host = "127.0.0.1" if self.bind in ("127.0.0.1", "0.0.0.0", "::") else self.bind  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def read() -> Options:
    """The options of this environment; a wrong one is a sentence, not a traceback."""
    try:
        options = Options(
            home=env.home(),
            bind=env.text("SENTINEL_BIND", "127.0.0.1"),
            port=env.number("SENTINEL_PORT", 8000, low=1, high=65535),
            drill=env.text("SENTINEL_DRILL", "rome").lower(),
            database_url=env.text("DATABASE_URL"),
            owner_url=env.text("DATABASE_OWNER_URL"),
            redis_url=env.text("REDIS_URL"),
            behind_tls=env.flag("SENTINEL_HTTPS"),
        )
        for url in filter(None, (options.database_url, options.owner_url)):
            env.database(url)
    except (ImproperlyConfigured, ValueError) as error:
        raise StackError(str(error)) from error
    if options.drill not in DRILLS:
        raise StackError(f"SENTINEL_DRILL is {options.drill!r}: set it to rome or off.")
    if options.owner_url and not options.database_url:
        raise StackError("DATABASE_OWNER_URL needs DATABASE_URL beside it: the address for the services.")
    if options.redis_url and urlsplit(options.redis_url).scheme not in ("redis", "rediss"):
        raise StackError("REDIS_URL has to begin with redis:// or rediss://.")
    return options


def check_space(home: Path) -> None:
    """The disk under `home` has room for a database."""
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE_BYTES:
        raise StackError(
            f"The disk that holds {home} is full ({free // 2**20} MiB free, {LEAST_FREE_BYTES // 2**20} MiB"
            " needed): free some space, or set SENTINEL_HOME to a folder on another disk."
        )
