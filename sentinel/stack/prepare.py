"""One process before the others: the database answers, its tables are current, the first person exists.

It alone connects as the owner of the tables, where that is another role than the services'.
Run by the supervisor as `python -m sentinel.stack.prepare`. The last line on stdout is JSON for it: what
`bootstrap` said, whose the host agent is, how many migrations were applied. Exit code 3 comes with one
sentence there instead, for the person at the terminal.
"""

import io
import json
import os
import sys
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

EXIT_SENTENCE = 3
OLDEST_POSTGRES = 140000


class UnusableServerError(Exception):
    """A server that was given to us cannot be used; the text says which and why."""


def main() -> int:
    """The database is ready for the web process."""
    import django
    from django.core.management import CommandError

    services = os.environ["DATABASE_URL"]
    owner = os.environ.get("DATABASE_OWNER_URL")
    os.environ["DATABASE_URL"] = owner or services
    django.setup()
    try:
        check_database("DATABASE_OWNER_URL" if owner else "DATABASE_URL")
        check_broker()
        migrations = migrate()
        if owner:
            admit(services)
        answer = {"migrations": migrations, **bootstrap(), "agent": agent_of_this_home()}
    except (UnusableServerError, CommandError) as problem:
        sys.stdout.write(json.dumps({"problem": str(problem)}) + "\n")
        return EXIT_SENTENCE
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def check_database(setting: str) -> None:
    """The database that `setting` names answers and is new enough."""
    from django.conf import settings
    from django.db import Error, connection

    connection.settings_dict.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0])
    except Error as error:
        where = f"{settings.DATABASES['default']['NAME']} at {settings.DATABASES['default']['HOST']}"
        raise UnusableServerError(
            f"The database {where} does not let us in ({first_line(error)}): correct {setting}, or"
            " unset it to use the embedded PostgreSQL."
        ) from error
    if version < OLDEST_POSTGRES:
        raise UnusableServerError(f"PostgreSQL {version // 10000} is too old: Sentinel needs 14 or newer.")


def check_broker() -> None:
    """The broker answers."""
    import redis
    from django.conf import settings

    try:
        redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5).ping()
    except (redis.RedisError, ValueError) as error:
        raise UnusableServerError(
            f"The broker does not answer ({first_line(error)}): correct REDIS_URL, or unset it to use"
            " the embedded one."
        ) from error


def first_line(error: Exception) -> str:
    """The cause in one line; drivers add hints over several."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def migrate() -> int:
    """All migrations are applied and the cache table exists; the answer is how many were missing."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
    return missing


def admit(services: str) -> None:
    """The services' role has its rights, and the database lets it in with the address they were given."""
    import psycopg
    from django.conf import settings
    from django.db import Error

    from sentinel.stack.rights import grant

    role = unquote(urlsplit(services).username or "")
    if role == settings.DATABASES["default"]["USER"]:
        raise UnusableServerError(
            f"DATABASE_URL and DATABASE_OWNER_URL both name the role {role}: give the services one of their"
            " own, or unset DATABASE_OWNER_URL."
        )
    try:
        grant(role)
        psycopg.connect(services, connect_timeout=5).close()
    except (Error, psycopg.Error) as error:
        raise UnusableServerError(
            f"The database does not take the services' role {role} ({first_line(error)}): correct"
            " DATABASE_URL or DATABASE_OWNER_URL."
        ) from error


def bootstrap() -> dict[str, Any]:
    """What the first start makes is there: the first person, and a token for this machine's host agent."""
    from django.core.management import call_command

    said = io.StringIO()
    call_command("bootstrap", "--enrol", stdout=said)
    answer = json.loads(said.getvalue())
    return answer if isinstance(answer, dict) else {}


def agent_of_this_home() -> str:
    """Whether the host agent's identity in this home is `known` to this database, `foreign`, or `none`."""
    from django.conf import settings

    from apps.fleet.models import HostAgent

    try:
        identity = json.loads((settings.SENTINEL_HOME / "hostagent" / "agent.json").read_text())
        return "known" if HostAgent.objects.filter(uuid=UUID(identity["agent_id"])).exists() else "foreign"
    except FileNotFoundError:
        return "none"
    except (ValueError, KeyError, TypeError):
        return "foreign"


if __name__ == "__main__":
    sys.exit(main())
