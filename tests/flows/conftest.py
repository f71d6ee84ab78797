"""A web process and a real host agent for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def server(transactional_db: None) -> Iterator[Any]:
    from tests.live import web  # a conftest of a folder is read before Django is set up

    with web(SENTINEL_RESPAWN_WATCH="1", SENTINEL_ORDER_SILENCE="2") as running:
        yield running


@pytest.fixture
def training_host(server: Any, tmp_path: Path) -> Iterator[Any]:
    from tests.flows.training_host import TrainingHost

    one = TrainingHost.enrolled(tmp_path / "hostagent", server)
    one.start()
    yield one
    one.stop()
