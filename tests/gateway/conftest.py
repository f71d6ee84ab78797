"""The hot door within a test: its connections are given back before the database goes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async


@pytest.fixture
async def machine(transactional_db: None) -> AsyncIterator[Any]:
    """An enrolled host, and a hot door for its batches."""
    from django.db import connections

    from apps.gateway import pool
    from tests.gateway.machine import Machine

    yield await sync_to_async(Machine.enrolled)()
    await pool.close()
    await sync_to_async(connections.close_all)()


@pytest.fixture(autouse=True)
def _nobody_has_knocked() -> None:
    from apps.gateway import throttle  # a conftest of a folder is read before Django is set up

    throttle.forget()
