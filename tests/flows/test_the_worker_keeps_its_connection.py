"""A worker's database connection lives from task to task, and a dead one is noticed before it is used."""

import os
import signal
from collections.abc import Iterator

import pytest
from django.db import connection, connections

from apps.gateway.tasks import ask
from apps.telemetry.models import Batch
from sentinel.stack.postgres import SERVICES
from tests.flows.worker import clean_broker, until, worker
from tests.gateway.machine import Machine
from tests.gateway.working import alert, put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE usename = %s"


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with clean_broker():
        yield
    connections.close_all()


def backends() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(BACKENDS, [SERVICES])
        return {pid for (pid,) in cursor.fetchall()}


def worked_off(machine: Machine) -> None:
    put(machine, alert())
    ask()
    until(lambda: not Batch.objects.filter(state="pending").exists())


def test_tasks_share_a_connection_and_outlive_its_end(transactional_db: None) -> None:
    machine, others = Machine.enrolled(), backends()
    with worker():
        seen = set()
        for _ in range(6):
            worked_off(machine)
            seen |= backends() - others
        assert 1 <= len(seen) <= 2, "one for each of the worker's two processes"
        for pid in seen:
            os.kill(pid, signal.SIGTERM)
        until(lambda: backends().isdisjoint(seen))
        worked_off(machine)
        assert backends().isdisjoint(seen)
    assert set(Batch.objects.values_list("state", "attempts")) == {("done", 0)}
