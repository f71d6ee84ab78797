"""Django's requests on threads that stay.

Django's own handler makes a thread for each request and ends it with the answer. A tenth of the time of a
small page goes there. Here a request borrows a thread and gives it back.
"""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import django
from asgiref.sync import ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler

MOST_IDLE = 24


class Handler(ASGIHandler):
    """Django as an ASGI application. One thread serves one request at a time, as Django expects."""

    def __init__(self) -> None:
        django.setup(set_prefix=False)
        super().__init__()
        self._idle: list[ThreadPoolExecutor] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._thread() as executor, ThreadSensitiveContext(executor=executor):
            await self.handle(scope, receive, send)

    @asynccontextmanager
    async def _thread(self) -> AsyncIterator[ThreadPoolExecutor]:
        executor = self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix="request")
        try:
            yield executor
        finally:
            if len(self._idle) < MOST_IDLE:
                self._idle.append(executor)
            else:
                executor.shutdown(wait=False)
