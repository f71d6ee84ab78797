"""Every test session has a PostgreSQL and a broker of its own, started before Django reads its settings.

`DJANGO_SETTINGS_MODULE` is set here and not in pyproject.toml: pytest-django would otherwise read the
settings before any conftest is loaded, and there would be no database yet to name in them.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import django
import pytest

from sentinel.stack.postgres import SERVICES, Postgres
from sentinel.stack.valkey import Valkey

# Losing what a test wrote is no loss; waiting for the disk is.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
EMBEDDED = pytest.StashKey[tuple[Path, Postgres, Valkey]]()


def pytest_configure(config: pytest.Config) -> None:
    """Settings read from here on find a running database and broker in a fresh SENTINEL_HOME."""
    home = Path(tempfile.mkdtemp(prefix="sentinel-test-"))
    postgres, valkey = Postgres(home, settings=CARELESS), Valkey(home)
    config.stash[EMBEDDED] = (home, postgres, valkey)
    postgres.initialise()
    postgres.start()
    valkey.start()
    postgres.wait_ready()
    valkey.wait_ready()
    os.environ.update(
        SENTINEL_HOME=str(home),
        DATABASE_URL=postgres.url,
        REDIS_URL=valkey.url,
        DJANGO_SETTINGS_MODULE="sentinel.settings",
    )
    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing of the session is left, neither process nor file."""
    if embedded := config.stash.get(EMBEDDED, None):
        home, postgres, valkey = embedded
        valkey.stop()
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database is the owner's; processes that a test starts are the services' role in it."""
    from sentinel.stack.rights import grant

    with django_db_blocker.unblock():
        grant(SERVICES)


@pytest.fixture(autouse=True, scope="session")
def _flush_in_spite_of_the_append_only_trail() -> None:
    """pytest-django empties tables with TRUNCATE, which the audit trail refuses: step aside for it alone.

    Tests are the owner of the tables, who can; the services' role could not (tests/audit/test_rights.py).
    """
    from django.db.backends.postgresql.operations import DatabaseOperations

    flush = DatabaseOperations.execute_sql_flush

    def flush_without_triggers(self: DatabaseOperations, sql_list: list[str]) -> None:
        tables = ("audit_auditentry", "audit_checkpoint")
        off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables]
        flush(self, [*off, *sql_list, *(line.replace("DISABLE", "ENABLE") for line in off)])

    DatabaseOperations.execute_sql_flush = flush_without_triggers
