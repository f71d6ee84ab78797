"""The Celery application, with everything that beat starts in one table."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun, worker_init
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sentinel.settings")

app = Celery("sentinel")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# By itself Celery connects anew for every task, and a new connection makes a small one three times as slow.
app.conf["CELERY_DB_REUSE_MAX"] = 2**31


def look_after_connections(**_: Any) -> None:
    """One that has died, or is older than CONN_MAX_AGE, is not used again: as before every request."""
    close_old_connections()


task_prerun.connect(look_after_connections)

BEHIND = 19


def give_way(**_: Any) -> None:
    """Alerts that come in by the thousand wait a little rather than a stop, a page or a host's batch."""
    os.nice(BEHIND)


worker_init.connect(give_way)

app.conf.beat_schedule = {
    # Finds inbox rows whose kick was lost with the broker or a worker.
    "sweep the inbox": {"task": "gateway.drain", "schedule": 2.0, "options": {"expires": 2}},
    # Where spans stood in their traces is of use while more of a trace may come.
    "forget where spans stood": {
        "task": "gateway.forget_links",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    # What a witness keeps off the box: without it a cut tail would go unseen.
    "sign a checkpoint": {"task": "audit.checkpoint", "schedule": 3600.0, "options": {"expires": 3600}},
}
