"""A lot in the middle of its work lets a stop go first, and goes on where somebody waits for it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.fleet.models import TrainingRun
from apps.gateway import ingest, standby
from apps.response import selectors
from apps.response.models import ContainmentOrder
from tests.gateway.machine import Machine
from tests.gateway.working import alert, put
from tests.response import cast

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> ContainmentOrder:
    """A stop that stays under way for as long as a test lasts."""
    monkeypatch.setattr(selectors, "JUST_NOW", timedelta(hours=1))
    monkeypatch.setattr(standby, "MOST_SECONDS", 30.0)
    monkeypatch.setattr(standby, "SMALL_BYTES", 0)
    made = cast.order(cast.run(cast.machine()), cast.person())
    assert selectors.stop_is_under_way()
    return made


class Lot(threading.Thread):
    """Holds the run's row and stands by."""

    def __init__(self, run: TrainingRun) -> None:
        super().__init__(daemon=True)
        self.run_id, self.holds = run.pk, threading.Event()

    def run(self) -> None:
        try:
            with transaction.atomic():
                TrainingRun.objects.select_for_update().get(pk=self.run_id)
                self.holds.set()
                standby.stand_by([])
        finally:
            connection.close()


def test_it_goes_on_when_the_host_has_said_what_came_of_it(order: ContainmentOrder) -> None:
    lot = Lot(order.run)
    lot.start()
    assert lot.holds.wait(10)
    lot.join(0.2)
    assert lot.is_alive()
    order.targets.update(stage_at=timezone.now(), stage="WATCHING")
    lot.join(10)
    assert not lot.is_alive()


def test_it_goes_on_at_once_when_the_stop_waits_for_what_it_holds(order: ContainmentOrder) -> None:
    lot = Lot(order.run)
    lot.start()
    assert lot.holds.wait(10)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '15s'")
        TrainingRun.objects.select_for_update().get(pk=order.run_id)
    lot.join(10)
    assert not lot.is_alive()
    assert selectors.stop_is_under_way(), "it did not wait for the end of the stop"


def test_a_host_that_says_nothing_holds_it_up_for_a_moment_only(
    order: ContainmentOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "MOST_SECONDS", 0.05)
    put(Machine.enrolled(), alert())
    assert ingest.work_off() == 1
    assert selectors.stop_is_under_way()


def test_a_small_lot_does_not_ask(order: ContainmentOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "SMALL_BYTES", 32 * 1024)
    put(Machine.enrolled(), alert())
    assert ingest.work_off() == 1
