"""kill -9 of any one child is noticed, said and mended, and the address goes on answering."""

import os
import signal

import psycopg
import pytest

from sentinel.stack import access
from tests.stack.running import Stack, until

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("name", ["web", "worker", "beat", "hostagent", "valkey", "postgres"])
def test_it_comes_back(running: Stack, name: str) -> None:
    before = running.pid(name)
    os.kill(before, signal.SIGKILL)
    running.wait_said(f"{name} ended unasked (SIGKILL); it starts again in 0.5 s.")
    running.wait_said(f"{name} is back")
    assert running.pid(name) != before


def test_the_rest_works_again_after_every_loss(running: Stack) -> None:
    until(lambda: running.get("/accounts/login/") == 200, seconds=20)
    with psycopg.connect(access.read(running.home)["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM django_migrations").fetchone() == (True,)
