"""The check over the table finds what was done to it behind the application's back."""

from collections.abc import Iterator

import pytest
from django.db import connection

from apps.audit import checkpoints, selectors
from apps.audit.models import AuditEntry, Checkpoint
from apps.audit.tasks import sign_checkpoint
from tests.audit.trails import INGRID

TABLES = ("audit_auditentry", "audit_checkpoint")


@pytest.fixture
def owner(trail: None) -> Iterator[None]:
    """What an owner of the database could do: switch the triggers off."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_untouched_chain_holds_to_its_head(trail: None) -> None:
    state = selectors.check_chain()
    assert (state.holds, state.size, state.head) == (True, *selectors.head())


def test_an_empty_chain_holds(db: None) -> None:
    assert selectors.check_chain().holds
    assert checkpoints.sign() is None


@pytest.mark.parametrize(
    ("statement", "at", "reason"),
    [
        ("UPDATE audit_auditentry SET by_name = 'mallory' WHERE seq = 5", 5, "entry 5 was changed"),
        ("UPDATE audit_auditentry SET detail = '{}' WHERE seq = 5", 5, "entry 5 was changed"),
        ("UPDATE audit_auditentry SET at = at + interval '1 microsecond' WHERE seq = 5", 5, "entry 5"),
        ("DELETE FROM audit_auditentry WHERE seq = 5", 5, "entry 5 is missing: 4 is followed by 6"),
        ("DELETE FROM audit_auditentry WHERE seq = 1", 1, "entry 1 is missing"),
        ("UPDATE audit_auditentry SET hash = repeat('a', 64) WHERE seq = 5", 5, "entry 5 was changed"),
    ],
)
def test_a_change_to_the_table_is_named(owner: None, statement: str, at: int, reason: str) -> None:
    sql(statement)
    state = selectors.check_chain()
    assert (state.broken_at, state.size) == (at, at - 1)
    assert reason in state.reason


def test_a_cut_tail_is_seen_by_the_checkpoint(owner: None) -> None:
    checkpoints.sign()
    sql("DELETE FROM audit_auditentry WHERE seq > 9")
    state = selectors.check_chain()
    assert state.broken_at == 10
    assert "its tail was cut" in state.reason


def test_a_rewritten_chain_disagrees_with_the_checkpoint(owner: None) -> None:
    checkpoints.sign()
    sql("DELETE FROM audit_auditentry WHERE seq > 11")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit_auditentry SELECT * FROM audit_auditentry WHERE false")
    from django.db import transaction

    from apps.audit.services import Subject, record

    with transaction.atomic():
        record("incident.closed", by=INGRID, subject=Subject("incident", "1", "INC-0001"))
    state = selectors.check_chain()
    assert state.broken_at == 12
    assert "not the one that the checkpoint over it was signed for" in state.reason


def test_a_checkpoint_put_in_its_place_does_not_pass_without_the_key(owner: None) -> None:
    checkpoints.sign()
    sql("UPDATE audit_checkpoint SET note = replace(note, 'sentinel', 'Sentinel')")
    assert "not signed by this server's audit key" in selectors.check_chain().reason


def test_nothing_is_signed_over_a_broken_chain(owner: None) -> None:
    sql("UPDATE audit_auditentry SET by_name = 'mallory' WHERE seq = 5")
    with pytest.raises(checkpoints.ChainBroken, match="entry 5 was changed"):
        checkpoints.sign()
    assert not Checkpoint.objects.exists()


def test_the_hourly_task_says_that_the_chain_is_broken(owner: None, caplog: pytest.LogCaptureFixture) -> None:
    sign_checkpoint()
    assert Checkpoint.objects.get().size == 12
    sql("UPDATE audit_auditentry SET by_name = 'mallory' WHERE seq = 13")
    checkpoints.check(by=INGRID)
    sign_checkpoint()
    assert "entry 13 was changed" in caplog.text
    assert Checkpoint.objects.count() == 1


def test_a_check_is_in_the_trail_with_its_result(trail: None) -> None:
    state = checkpoints.check(by=INGRID)
    entry = selectors.last_check()
    assert entry is not None
    assert entry.detail == {"holds": True, "size": state.size, "took_ms": state.took_ms, "reason": ""}


def test_the_hourly_checkpoint_is_signed_once_for_what_is_new(trail: None) -> None:
    first = checkpoints.sign_if_grown()
    assert first is not None
    assert first.size == 12
    assert AuditEntry.objects.count() == 13  # the signing itself
    assert checkpoints.sign_if_grown() is None
    assert AuditEntry.objects.count() == 13
