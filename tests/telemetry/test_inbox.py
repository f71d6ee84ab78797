"""Who works at what: an agent's batches in their order and by one worker, oldest first, in bounded lots."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from apps.telemetry import inbox
from apps.telemetry.models import Batch
from tests.gateway.machine import Machine
from tests.gateway.working import alert, put

pytestmark = pytest.mark.django_db(transaction=True)


def meanwhile(work: Callable[[], Any]) -> Any:
    """What `work` answers on another database connection, while ours holds its locks."""
    found: list[Any] = []

    def run() -> None:
        try:
            with transaction.atomic():
                found.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=10)
    assert found, "the other worker waited"
    return found[0]


def sequences(taken: list[inbox.Waiting]) -> list[tuple[int, int]]:
    return [(batch.agent_id, batch.sequence) for batch in taken]


def test_lot_comes_in_the_order_of_the_inbox() -> None:
    machine = Machine.enrolled()
    for _ in range(5):
        put(machine, alert())
    with transaction.atomic():
        assert [number for _, number in sequences(inbox.take())] == [1, 2, 3, 4, 5]


def test_two_workers_never_share_an_agent() -> None:
    machine = Machine.enrolled()
    put(machine, alert())
    put(machine, alert())
    with transaction.atomic():
        assert len(inbox.take()) == 2
        put(machine, alert())
        assert meanwhile(inbox.take) == []


def test_two_workers_share_the_agents() -> None:
    machines = [Machine.enrolled() for _ in range(5)]
    for machine in machines:
        put(machine, alert())
    with transaction.atomic():
        mine = inbox.take()
        theirs = meanwhile(inbox.take)
    assert len(mine) == 3
    assert len(theirs) == 2
    assert not {batch.id for batch in mine} & {batch.id for batch in theirs}


def test_agent_that_sends_is_not_held_up_by_a_worker() -> None:
    machine = Machine.enrolled()
    put(machine, alert())
    with transaction.atomic():
        inbox.take()
        meanwhile(lambda: put(machine, alert()))
    assert Batch.objects.count() == 2


def test_lot_is_bounded_in_bytes_and_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.enrolled()
    for _ in range(4):
        put(machine, alert())
    size = len(bytes(Batch.objects.first().body))  # type: ignore[union-attr]
    monkeypatch.setattr(inbox, "MOST_BYTES", size * 2 + size // 2)
    with transaction.atomic():
        assert len(inbox.take()) == 2
    monkeypatch.setattr(inbox, "MOST_BYTES", 1)
    with transaction.atomic():
        assert len(inbox.take()) == 1


def test_lot_is_bounded_in_records(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.enrolled()
    for _ in range(4):
        put(machine, alert(), alert())
    monkeypatch.setattr(inbox, "MOST_RECORDS", 5)
    with transaction.atomic():
        assert len(inbox.take()) == 2


def test_body_is_stored_as_it_is_and_not_compressed_again() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute"
            " WHERE attrelid = 'telemetry_batch'::regclass AND attname = 'body'"
        )
        assert cursor.fetchone() in [("e",), (b"e",)]
