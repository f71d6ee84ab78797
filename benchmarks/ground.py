"""What a measurement stands on: a PostgreSQL of its own with the settings of production, and no broker."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sentinel.stack.postgres import SERVICES, Postgres

NOBODY = "redis://127.0.0.1:1/0"  # nothing answers here: what is measured must not need a broker


@contextlib.contextmanager
def ground() -> Iterator[Path]:
    """Django is set up on a fresh, migrated database; everything is gone after the block."""
    home = Path(tempfile.mkdtemp(prefix="sentinel-bench-"))
    postgres = Postgres(home)
    postgres.initialise()
    postgres.start()
    try:
        postgres.wait_ready()
        os.environ |= {
            "SENTINEL_HOME": str(home),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": NOBODY,
            "DJANGO_SETTINGS_MODULE": "sentinel.settings",
            "SENTINEL_LOG_LEVEL": "ERROR",
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        from sentinel.stack.rights import grant

        grant(SERVICES)
        yield home
    finally:
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all are at or below."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def spread(values: list[float]) -> str:
    """p50 / p99 / max in milliseconds."""
    return " / ".join(
        f"{value:.1f}" for value in (percentile(values, 0.5), percentile(values, 0.99), max(values))
    )
