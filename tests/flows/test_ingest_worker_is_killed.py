"""A real Celery worker, killed with -9 in the middle: nothing is lost and nothing counts twice."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection, connections

from apps.detection.models import Alert
from apps.incidents.models import Incident
from apps.telemetry.models import Batch
from tests.gateway.machine import Machine, post
from tests.gateway.working import alert

ROOT = Path(__file__).resolve().parents[2]
BATCHES, SIZE = 60, 50

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]


def start_worker() -> subprocess.Popen[bytes]:
    from tests.live import database_url

    arguments = ["-A", "sentinel", "worker", "-c", "2", "--without-gossip", "--without-mingle"]
    env = os.environ | {"DATABASE_URL": database_url(), "SENTINEL_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "celery", *arguments, "--loglevel", "ERROR"]
    return subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(holds: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture
def _clean_broker() -> Iterator[None]:
    redis.from_url(settings.REDIS_URL).flushdb()
    yield
    redis.from_url(settings.REDIS_URL).flushdb()
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
    """How many of a worker's transactions were under way when it was killed, all at once."""
    worker = start_worker()
    kick()
    with connection.cursor() as cursor:

        def busy() -> bool:
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
                " WHERE c.relname = 'detection_alert' AND l.mode = 'RowExclusiveLock'"
                "   AND l.pid <> pg_backend_pid()"
            )
            return bool(cursor.fetchone()[0])  # type: ignore[index]

        until(busy)
    kill_group(worker)
    return Batch.objects.filter(state="pending").count()


def test_nothing_is_lost_and_nothing_counts_twice(_clean_broker: None) -> None:
    machine = Machine.enrolled()
    asyncio.run(send(machine, BATCHES))
    left = killed_in_the_middle()
    assert left > 0, "the worker was done before it was killed: the test has shown nothing"
    last = start_worker()
    try:
        kick()
        until(lambda: not Batch.objects.filter(state="pending").exists())
    finally:
        last.send_signal(signal.SIGTERM)
        last.wait(timeout=30)
        kill_group(last)
    assert Batch.objects.filter(state="done").count() == BATCHES
    assert Alert.objects.count() == BATCHES * SIZE
    assert Alert.objects.values("batch", "position", "rule").distinct().count() == BATCHES * SIZE
    assert sum(Incident.objects.values_list("alert_count", flat=True)) == BATCHES * SIZE
    assert Incident.objects.count() == 1


def test_kick_of_the_door_is_enough(_clean_broker: None) -> None:
    machine = Machine.enrolled()
    worker = start_worker()
    try:
        asyncio.run(send(machine, 1))
        until(lambda: Alert.objects.count() == SIZE)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)
        kill_group(worker)
