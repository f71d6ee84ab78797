"""What the services may do in the database: rows of our tables, and of the trail only to add and to read.

The tables belong to the owner's role, which only the first step of a start uses. Nothing is granted on
tables that are not ours, and nothing to a role that owns them: it could give itself what was taken away.
"""

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

ALL, ADD = ("SELECT", "INSERT", "UPDATE", "DELETE"), ("SELECT", "INSERT")
SEQUENCES = """
SELECT format('%%I.%%I', n.nspname, s.relname) FROM pg_class s
JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
WHERE s.relkind = 'S' AND d.refobjid = ANY (%s::text[]::regclass[])
"""


def grant(role: str) -> None:
    """`role` has the rights that the services need on every table there is, and no other.

    All in one transaction: no service ever sees a moment with more or with less.
    """
    from django.db import connection, transaction

    from apps.audit.rights import TABLES

    there = set(connection.introspection.table_names())
    ours = sorted(there & {*connection.introspection.django_table_names(), *cache_tables()})
    with transaction.atomic(), connection.cursor() as cursor:
        give(cursor, role, ALL, [name for name in ours if name not in TABLES])
        give(cursor, role, ADD, list(TABLES))
        give(cursor, role, ("SELECT",), ["django_migrations"])
        cursor.execute(SEQUENCES, [ours])
        for (name,) in cursor.fetchall():
            cursor.execute(f"GRANT USAGE, SELECT ON SEQUENCE {name} TO {quoted(cursor, role)}")


def give(cursor: "CursorWrapper", role: str, rights: tuple[str, ...], tables: list[str]) -> None:
    """On `tables` the role has `rights` and, like everybody, nothing beside them."""
    names = ", ".join(quoted(cursor, table) for table in tables)
    to = quoted(cursor, role)
    cursor.execute(f"REVOKE ALL ON {names} FROM PUBLIC, {to}")
    cursor.execute(f"GRANT {', '.join(rights)} ON {names} TO {to}")


def cache_tables() -> list[str]:
    """Tables that Django keeps without a model."""
    from django.conf import settings

    return [str(cache["LOCATION"]) for cache in settings.CACHES.values()]


def quoted(cursor: "CursorWrapper", name: str) -> str:
    """`name` as an identifier in a statement."""
    return sql.Identifier(name).as_string(cursor.connection)
