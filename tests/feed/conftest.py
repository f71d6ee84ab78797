"""One web process for all tests of the feed: tables are emptied under it, which it has to bear."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def running(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    from tests.live import web  # a conftest of a folder is read before Django is set up

    with django_db_blocker.unblock(), web() as server:
        yield server


@pytest.fixture
def server(transactional_db: None, running: Any) -> Iterator[Any]:
    from tests.live import Page

    yield running
    Page.close_all()
