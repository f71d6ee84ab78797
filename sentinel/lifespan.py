"""What runs beside the requests of one web process, from its first second to its last."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

from django.conf import settings

from apps.console import standing
from apps.gateway import pool, presence
from apps.response import watch

SWITCH_S = 0.0005  # a stop's thread waits no longer than this for one that draws a page

Job = Callable[[], Coroutine[Any, Any, None]]


class Lifespan:
    """ASGI's lifespan: starts `jobs` with the process and cancels them with it."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = jobs

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        settle()
        tasks = [asyncio.create_task(job()) for job in self.jobs]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await send({"type": "lifespan.shutdown.complete"})


def settle() -> None:
    """Everything that stays is loaded, and the collector looks at it no more: that would hold up all
    requests for a tenth of a second, again and again."""
    import_module(settings.ROOT_URLCONF)
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()


lifespan = Lifespan(watch.keep, presence.keep, standing.keep, pool.keep)
