"""The role that web, worker and beat are may add to the trail and read it; PostgreSQL refuses it the rest."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from psycopg import errors

from apps.audit import rights, selectors
from apps.audit.models import AuditEntry
from apps.audit.rights import TABLES
from sentinel.stack.postgres import ROLE, SERVICES
from tests.audit.trails import make_trail
from tests.live import database_url

pytestmark = pytest.mark.django_db(transaction=True)
CHANGES = [
    "UPDATE {} SET {} = {}",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "DROP TABLE {}",
    "ALTER TABLE {} DISABLE TRIGGER USER",
    "ALTER TABLE {} OWNER TO CURRENT_USER",
    "ALTER TABLE {} RENAME TO elsewhere",
    "ALTER TABLE {} ADD COLUMN more text",
    "CREATE TRIGGER mine BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE RULE mine AS ON INSERT TO {} DO INSTEAD NOTHING",
    "BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
    "INSERT INTO {0} SELECT * FROM {0} LIMIT 1 ON CONFLICT ({1}) DO UPDATE SET {1} = 1",
    "SELECT * FROM {} FOR UPDATE",
]
WAYS_UP = [
    "DROP TRIGGER audit_entry_no_change ON audit_auditentry",
    "DROP TRIGGER audit_entry_no_truncate ON audit_auditentry",
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION audit_refuse() CASCADE",
    "SET session_replication_role = replica",
    f"SET ROLE {ROLE}",
    "SET ROLE pg_write_all_data",
    f"GRANT {ROLE} TO {SERVICES}",
    f"ALTER ROLE {SERVICES} SUPERUSER",
    f"ALTER ROLE {SERVICES} CREATEROLE",
    "CREATE ROLE another SUPERUSER",
    "CREATE TABLE of_my_own (word text)",
    "DROP SCHEMA public CASCADE",
    "ALTER TABLE django_migrations RENAME TO elsewhere",
    "DELETE FROM django_migrations",
    "CREATE EXTENSION file_fdw",
    "COPY audit_auditentry FROM PROGRAM 'true'",
]


@pytest.fixture
def service() -> Iterator[psycopg.Connection]:
    """A connection as web, worker and beat have it, over a trail of twelve acts."""
    make_trail()
    with psycopg.connect(database_url(), autocommit=True) as line:
        yield line


def refused(line: psycopg.Connection, statement: str) -> None:
    before = list(AuditEntry.objects.order_by("seq").values_list("seq", "hash"))
    with pytest.raises(errors.InsufficientPrivilege) as raised:
        line.execute(statement.encode())
    assert "append-only" not in str(raised.value), "the trigger said it, so the right is there"
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", "hash")) == before


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize(("table", "column"), list(zip(TABLES, ("seq", "size"), strict=True)))
def test_no_change_of_the_trail_is_permitted(
    service: psycopg.Connection, statement: str, table: str, column: str
) -> None:
    refused(service, statement.format(table, column, column))


@pytest.mark.parametrize("statement", WAYS_UP)
def test_no_way_leads_to_more_rights(service: psycopg.Connection, statement: str) -> None:
    refused(service, statement)


def test_it_cannot_grant_itself_what_was_taken(service: psycopg.Connection) -> None:
    """PostgreSQL answers with a warning: "no privileges were granted"."""
    for right in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "ALL"):
        service.execute(f"GRANT {right} ON audit_auditentry TO {SERVICES}".encode())
    assert ways_of_the_services() == []
    refused(service, "DELETE FROM audit_auditentry")


def test_it_may_add_and_read(service: psycopg.Connection) -> None:
    size, head = selectors.head()
    service.execute(
        "INSERT INTO audit_auditentry SELECT seq + 1, at, action, by_kind, by_name, subject_kind, subject_id,"
        " subject_name, drill, request_id, detail, hash, repeat('f', 64) FROM audit_auditentry"
        " WHERE seq = %s",
        [size],
    )
    row = service.execute("SELECT previous_hash FROM audit_auditentry WHERE seq = %s", [size + 1]).fetchone()
    assert row == (head,)


def test_with_the_triggers_off_the_owner_is_found_by_the_check(service: psycopg.Connection) -> None:
    """Rights end at the owner of the tables. What holds against the owner is the chain."""
    assert selectors.check_chain().holds
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        try:
            cursor.execute("UPDATE audit_auditentry SET by_name = 'nobody' WHERE seq = 7")
        finally:
            cursor.execute("ALTER TABLE audit_auditentry ENABLE TRIGGER USER")
    state = selectors.check_chain()
    assert state.broken_at == 7
    assert "entry 7 was changed" in state.reason


def test_the_owner_is_told_apart_from_the_services(service: psycopg.Connection) -> None:
    mine = rights.of_this_role()
    assert (mine.role, mine.append_only) == (ROLE, False)
    assert {"owns the table", "may UPDATE", "may DELETE", "may TRUNCATE"} <= set(mine.ways)
    assert "could change audit rows" in str(mine)


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ("GRANT UPDATE ON audit_auditentry TO {}", "may UPDATE"),
        ("GRANT UPDATE (by_name) ON audit_auditentry TO {}", "may UPDATE"),
        ("GRANT DELETE ON audit_checkpoint TO PUBLIC", "may DELETE"),
        ("GRANT TRUNCATE ON audit_auditentry TO {}", "may TRUNCATE"),
        ("GRANT TRIGGER ON audit_auditentry TO {}", "may add triggers"),
    ],
)
def test_a_right_too_many_is_named_and_gone_after_the_next_start(given: str, way: str) -> None:
    from sentinel.stack.rights import grant

    with connection.cursor() as cursor:
        cursor.execute(given.format(SERVICES))
    try:
        assert ways_of_the_services() == [way]
    finally:
        grant(SERVICES)
    assert ways_of_the_services() == []


def ways_of_the_services() -> list[str]:
    with psycopg.connect(database_url()) as line:
        return [way for (way,) in line.execute(rights._WAYS, [list(TABLES)])]
