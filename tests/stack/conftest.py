"""A stack for each test that asks for one, stopped at its end whatever happened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.running import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    if made.process and made.process.poll() is None:
        made.stop()


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack")).start()
    yield made
    made.stop()
