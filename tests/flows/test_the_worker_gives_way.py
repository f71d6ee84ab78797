"""Whatever stops a run, draws a page or takes a batch has the processor before the worker."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel.celery import BEHIND
from tests.flows.worker import clean_broker, kill_group, start_worker, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.stack]


@pytest.fixture
def celery() -> Iterator[subprocess.Popen[bytes]]:
    with clean_broker():
        process = start_worker()
        yield process
        kill_group(process)


def family(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, found)]


def test_every_process_of_the_worker_stands_behind(
    transactional_db: None, celery: subprocess.Popen[bytes]
) -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)
    until(lambda: len(family(celery.pid)) == 3)
    values = {os.getpriority(os.PRIO_PROCESS, pid) for pid in family(celery.pid)}
    assert values == {min(19, here + BEHIND)}
