"""A batch that cannot be worked off harms nothing but itself, and ends as a dead letter with its reason."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.detection.models import Alert
from apps.feed.models import FeedEntry
from apps.gateway import ingest
from apps.telemetry.inbox import ATTEMPTS, RETRY_AFTER
from apps.telemetry.models import Batch, Process
from tests.gateway.machine import Machine
from tests.gateway.working import alert, process, put

pytestmark = pytest.mark.django_db(transaction=True)


def spoilt(machine: Machine) -> Batch:
    """A row that is not what the door would have let in."""
    batch = put(machine, alert())
    Batch.objects.filter(pk=batch.pk).update(body=b"not gzip")
    return batch


def later() -> None:
    """The time after which what failed is tried again has passed."""
    Batch.objects.update(worked_at=timezone.now() - RETRY_AFTER - timedelta(seconds=1))


def test_others_of_its_lot_are_worked_off() -> None:
    machine, other = Machine.enrolled(), Machine.enrolled()
    put(machine, process(1))
    bad = spoilt(machine)
    put(machine, process(2))
    put(other, process(3))
    while ingest.work_off():
        pass
    assert {row.pid for row in Process.objects.all()} == {1, 2, 3}
    bad.refresh_from_db()
    assert (bad.state, bad.attempts) == ("pending", 1)
    assert "not whole gzip" in bad.error
    assert Batch.objects.filter(state="done").count() == 3


def test_it_is_tried_again_only_after_a_while_and_then_alone() -> None:
    machine = Machine.enrolled()
    bad = spoilt(machine)
    ingest.work_off()
    assert ingest.work_off() == 0
    put(machine, process(5))
    later()
    Batch.objects.filter(pk=bad.pk).update(body=machine.body([alert()]))
    assert ingest.work_off() == 1
    bad.refresh_from_db()
    assert (bad.state, bad.error) == ("done", "")
    assert Alert.objects.count() == 1


def test_it_ends_as_a_dead_letter_that_people_are_told_of() -> None:
    machine = Machine.enrolled()
    bad = spoilt(machine)
    for _ in range(ATTEMPTS):
        ingest.work_off()
        later()
    bad.refresh_from_db()
    assert (bad.state, bad.attempts) == ("dead", ATTEMPTS)
    assert bytes(bad.body) == b"not gzip"
    told = FeedEntry.objects.get(kind="batch.dead")
    assert (told.subject_id, told.topics) == (bad.pk, ["fleet"])
    later()
    assert ingest.work_off() == 0


def test_nothing_of_a_half_told_story_is_kept(monkeypatch: Any) -> None:
    machine = Machine.enrolled()
    put(machine, process(1), alert())

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("in the last step")

    monkeypatch.setattr(ingest, "announce", fail)
    ingest.work_off()
    assert not Process.objects.exists()
    assert not Alert.objects.exists()
    assert "in the last step" in Batch.objects.get().error


def test_trouble_of_the_database_costs_a_batch_no_attempt(monkeypatch: Any) -> None:
    machine = Machine.enrolled()
    put(machine, process(1))

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(ingest, "announce", fail)
    with pytest.raises(OperationalError):
        ingest.work_off()
    batch = Batch.objects.get()
    assert (batch.state, batch.attempts) == ("pending", 0)
    monkeypatch.undo()
    assert ingest.work_off() == 1
