"""The Celery application, with everything that beat starts in one table."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sentinel.settings")

app = Celery("sentinel")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    # Finds inbox rows whose kick was lost with the broker or a worker.
    "sweep the inbox": {"task": "gateway.drain", "schedule": 2.0, "options": {"expires": 2}},
    # What a witness keeps off the box: without it a cut tail would go unseen.
    "sign a checkpoint": {"task": "audit.checkpoint", "schedule": 3600.0, "options": {"expires": 3600}},
}
