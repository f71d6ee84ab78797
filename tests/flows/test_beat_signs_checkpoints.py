"""A real worker with beat in it does what the one table of beat says."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connections

from apps.audit.models import Checkpoint
from sentinel.celery import app
from tests.audit.trails import make_trail
from tests.flows.test_ingest_worker_is_killed import kill_group

ROOT = Path(__file__).resolve().parents[2]


def test_every_entry_of_the_table_names_a_task_that_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_a_checkpoint_is_signed_by_the_clock(tmp_path: Path) -> None:
    """The hour is made a second, in the worker's own copy of the table and nowhere else."""
    from tests.live import database_url

    make_trail()
    code = (
        "from sentinel.celery import app\n"
        "app.conf.beat_schedule['sign a checkpoint']['schedule'] = 1.0\n"
        f"app.worker_main(['worker', '-B', '-s', {str(tmp_path / 'beat')!r}, '-P', 'solo', '-l', 'ERROR'])\n"
    )
    env = os.environ | {"DATABASE_URL": database_url(), "SENTINEL_LOG_LEVEL": "ERROR"}
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while not Checkpoint.objects.exists():
            assert time.monotonic() < deadline, "no checkpoint was signed in time"
            time.sleep(0.1)
        assert Checkpoint.objects.get().size == 12
    finally:
        kill_group(worker)
        connections.close_all()
