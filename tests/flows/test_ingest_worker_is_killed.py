"""A real Celery worker, killed with -9 in the middle: nothing is lost and nothing counts twice."""

import asyncio
from collections.abc import Iterator

import pytest
from django.db import connection, connections

from apps.detection.models import Alert
from apps.incidents.models import Incident
from apps.telemetry.models import Batch
from tests.flows.worker import clean_broker, kill_group, start_worker, until, worker
from tests.gateway.machine import Machine, post
from tests.gateway.working import alert

BATCHES, SIZE = 60, 50
BUSY = """
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE c.relname = 'detection_alert' AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()
"""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with clean_broker():
        yield
    connections.close_all()


async def send(machine: Machine, number: int) -> None:
    from apps.gateway import pool

    for _ in range(number):
        body = machine.body([alert(f"firewall-{place % 3}") for place in range(SIZE)])
        assert (await post(body, machine.headers(body))).status == 202
    await pool.close()


def kick() -> None:
    """What beat does every two seconds."""
    from apps.gateway.tasks import drain

    drain.delay()


def killed_in_the_middle() -> int:
    """How many batches still wait after a worker was killed while it inserted alerts."""
    process = start_worker()
    kick()
    with connection.cursor() as cursor:

        def busy() -> bool:
            cursor.execute(BUSY)
            return bool(cursor.fetchone()[0])  # type: ignore[index]

        until(busy)
    kill_group(process)
    return Batch.objects.filter(state="pending").count()


def test_nothing_is_lost_and_nothing_counts_twice() -> None:
    machine = Machine.enrolled()
    asyncio.run(send(machine, BATCHES))
    assert killed_in_the_middle() > 0, "the worker was done before it was killed: the test has shown nothing"
    with worker():
        kick()
        until(lambda: not Batch.objects.filter(state="pending").exists())
    assert Batch.objects.filter(state="done").count() == BATCHES
    assert Alert.objects.count() == BATCHES * SIZE
    assert Alert.objects.values("batch", "position", "rule").distinct().count() == BATCHES * SIZE
    assert sum(Incident.objects.values_list("alert_count", flat=True)) == BATCHES * SIZE
    assert Incident.objects.count() == 1


def test_kick_of_the_door_is_enough() -> None:
    machine = Machine.enrolled()
    with worker():
        asyncio.run(send(machine, 1))
        until(lambda: Alert.objects.count() == SIZE)
