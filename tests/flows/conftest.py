"""A web process and a real host agent for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def server(transactional_db: None) -> Iterator[Any]:
    from tests.live import web  # a conftest of a folder is read before Django is set up

    # No broker answers at this address, and no Celery runs: a stop needs neither.
    nobody = "redis://127.0.0.1:1/0"
    with web(SENTINEL_RESPAWN_WATCH="1", SENTINEL_ORDER_SILENCE="2", REDIS_URL=nobody) as running:
        yield running


@pytest.fixture
def training_host(server: Any, tmp_path: Path) -> Iterator[Any]:
    from tests.flows.training_host import TrainingHost

    one = TrainingHost.enrolled(tmp_path / "hostagent", server)
    one.start()
    yield one
    one.stop()


@pytest.fixture(autouse=True)
def _short_watch(settings: Any) -> None:
    settings.RESPAWN_WATCH_SECONDS = 1  # it is written into the order, which the test issues itself
