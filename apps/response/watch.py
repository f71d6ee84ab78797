"""The clock of orders, inside the web process.

It does not run under Celery: a stop must not wait for a broker, and "unreachable" is part of its answer. The
process that issues orders and takes receipts calls silence by its name too; where there are several, the one
that gets the database's lock sweeps.
"""

import asyncio
import logging

from channels.db import database_sync_to_async

from apps.response.services import sweep_silence

SECONDS = 1.0
log = logging.getLogger(__name__)


async def keep() -> None:
    """For ever: orders that nobody answers are seen within a second of their time."""
    sweep = database_sync_to_async(sweep_silence, thread_sensitive=False)
    while True:
        await asyncio.sleep(SECONDS)
        try:
            await sweep()
        except Exception:
            log.exception("silent orders could not be swept; trying again")
