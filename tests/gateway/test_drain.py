"""Work is asked for once however often the door kicks, and goes on where one drain had to stop."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.core.locks import Lock, lead
from apps.gateway import ingest, tasks
from apps.gateway.kick import Kick
from apps.response import selectors
from apps.telemetry import inbox
from apps.telemetry.models import Batch
from tests.gateway.machine import Machine
from tests.gateway.working import alert, put
from tests.response import cast as response

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker() -> Iterator["redis.Redis"]:
    """The session's real broker, empty before and after."""
    client = redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()


def asked(broker: "redis.Redis") -> int:
    """How many drains wait for a worker."""
    return int(broker.llen("celery"))


def test_many_kicks_are_one_drain(broker: "redis.Redis") -> None:
    kick = Kick()
    for _ in range(50):
        kick()
        kick.settle()
    assert asked(broker) == 1


def test_kick_counts_again_once_a_drain_has_begun(broker: "redis.Redis") -> None:
    kick = Kick()
    kick()
    kick.settle()
    tasks.drain()
    kick()
    kick.settle()
    assert asked(broker) == 2


def test_drain_works_off_all_that_waits(broker: "redis.Redis") -> None:
    machine = Machine.enrolled()
    for _ in range(3):
        put(machine, alert())
    assert tasks.drain() == 3
    assert not Batch.objects.filter(state="pending").exists()
    assert asked(broker) == 0


def test_drain_that_runs_out_of_time_asks_for_another(
    broker: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_BATCHES", 1)
    machine = Machine.enrolled()
    put(machine, alert())
    put(machine, alert())
    clock = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(tasks, "LONGEST_SECONDS", 1.5)
    monkeypatch.setattr(tasks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    tasks.drain()
    assert Batch.objects.filter(state="pending").count() == 1
    assert asked(broker) == 1


def test_drain_does_its_work_without_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    put(Machine.enrolled(), alert())
    assert tasks.drain() == 1


def test_what_failed_is_tried_again_without_anything_new(broker: "redis.Redis") -> None:
    batch = put(Machine.enrolled(), alert())
    Batch.objects.filter(pk=batch.pk).update(attempts=1, worked_at=timezone.now() - timedelta(minutes=1))
    assert tasks.drain() == 1


def test_drain_waits_for_what_another_one_holds(broker: "redis.Redis") -> None:
    machine = Machine.enrolled()
    for _ in range(2):
        put(machine, alert())
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        """Another worker that has the agent, and dies."""
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            inbox.take()
            held.set()
            done.wait(timeout=10)
            raise ZeroDivisionError
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    held.wait(timeout=10)
    threading.Timer(0.3, done.set).start()
    assert tasks.drain() == 2
    other.join()


@contextlib.contextmanager
def another_leads(first: threading.Event) -> Iterator[list[int]]:
    """Another worker is at the inbox until `first` is set; what waited when it left."""
    leading, left = threading.Event(), list[int]()

    def work() -> None:
        with lead(Lock.DRAIN) as leads:
            assert leads()
            leading.set()
            first.wait(timeout=30)
            left.append(Batch.objects.filter(state="pending").count())
        connection.close()

    other = threading.Thread(target=work)
    other.start()
    assert leading.wait(timeout=10)
    try:
        yield left
    finally:
        first.set()
        other.join()


def test_second_drain_stands_by_while_the_first_keeps_up(broker: "redis.Redis") -> None:
    put(Machine.enrolled(), alert())
    leaves = threading.Event()
    with another_leads(leaves) as left:
        threading.Timer(0.3, leaves.set).start()
        assert tasks.drain() == 1
    assert left == [1], "it was worked off only when the first had gone"


def test_second_drain_helps_where_more_has_piled_up(
    broker: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_BATCHES", 2)
    monkeypatch.setattr(tasks, "LONGEST_SECONDS", 1.0)
    for _ in range(4):
        put(Machine.enrolled(), alert())
    with another_leads(threading.Event()) as left:
        assert tasks.drain() == 3
    assert left == [1]


def test_a_drain_that_ended_leads_no_more(broker: "redis.Redis") -> None:
    put(Machine.enrolled(), alert())
    tasks.drain()
    with another_leads(threading.Event()):
        pass


def test_what_waits_lets_a_stop_that_is_under_way_go_first(
    broker: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "JUST_NOW", timedelta(seconds=2))
    found: list[bool] = []
    put(Machine.enrolled(), alert())
    ana, run = response.person(), response.run(response.machine())
    order = response.order(run, ana)
    assert selectors.stop_is_under_way()

    def work_off() -> int:
        found.append(selectors.stop_is_under_way())
        return worked_off()

    worked_off = ingest.work_off
    monkeypatch.setattr(ingest, "work_off", work_off)
    assert tasks.drain() == 1, "and a host that says nothing holds up nobody"
    assert not any(found)
    order.targets.update(stage_at=timezone.now(), stage="WATCHING")
    assert not selectors.stop_is_under_way()
