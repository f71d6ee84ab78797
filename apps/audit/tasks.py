"""What beat asks of the trail."""

import logging

from celery import shared_task

from apps.audit import checkpoints

log = logging.getLogger(__name__)


@shared_task(name="audit.checkpoint")
def sign_checkpoint() -> None:
    """A checkpoint stands over everything that was recorded since the last one."""
    try:
        checkpoints.sign_if_grown()
    except checkpoints.ChainBroken as error:
        log.critical("the audit chain is broken: %s", error)
