"""What the database role of this process could do to the trail, asked of the database itself."""

from dataclasses import dataclass

from django.db import connection

# Adding to them and reading them is all that the services need; `sentinel/stack/rights.py` grants no more.
TABLES = ("audit_auditentry", "audit_checkpoint")

# An owner of the table, of its schema or of the database is above any rights that were taken away: it can
# grant them anew, switch the triggers off or drop the table. So is whoever may become one of them.
_WAYS = """
SELECT DISTINCT way FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_database d ON d.datname = current_database()
JOIN pg_roles me ON me.rolname = current_user
CROSS JOIN LATERAL (VALUES
    ('is a superuser', me.rolsuper),
    ('owns the table', pg_has_role(t.relowner, 'MEMBER')),
    ('owns the schema', pg_has_role(n.nspowner, 'MEMBER')),
    ('owns the database', pg_has_role(d.datdba, 'MEMBER')),
    ('may make itself a member of other roles',
     me.rolcreaterole AND current_setting('server_version_num')::int < 160000),
    ('may UPDATE', has_any_column_privilege(t.oid, 'UPDATE')),
    ('may DELETE', has_table_privilege(t.oid, 'DELETE')),
    ('may TRUNCATE', has_table_privilege(t.oid, 'TRUNCATE')),
    ('may add triggers', has_table_privilege(t.oid, 'TRIGGER'))
) AS found(way, holds)
WHERE holds AND t.oid = ANY (%s::text[]::regclass[])
ORDER BY way
"""


@dataclass(frozen=True, slots=True)
class Rights:
    """The role by name, and every way in which it could change what stands in the trail."""

    role: str
    ways: tuple[str, ...]

    @property
    def append_only(self) -> bool:
        """Whether adding is all it can do."""
        return not self.ways

    def __str__(self) -> str:
        if self.append_only:
            return "append only"
        return "this database role could change audit rows; see docs/operations.md"


def of_this_role() -> Rights:
    """The rights of the role that this process is connected as, as they are now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        role = cursor.fetchone()[0]
        cursor.execute(_WAYS, [list(TABLES)])
        return Rights(role, tuple(way for (way,) in cursor.fetchall()))
