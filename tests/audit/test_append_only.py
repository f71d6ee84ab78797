"""The chain cannot be changed through the database."""

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from apps.audit.models import AuditEntry
from apps.audit.services import SYSTEM, Subject, record


def entry() -> AuditEntry:
    with transaction.atomic():
        return record("drill.started", by=SYSTEM, subject=Subject("run", "1", "kestrel"), note="x")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET by_name = 'x'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry",
    ],
)
def test_the_database_refuses_to_change_the_trail(statement: str) -> None:
    entry()
    with (
        pytest.raises(ProgrammingError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEntry.objects.count() >= 1
