"""A first start tells how to sign in, a stop leaves nothing running, a second start keeps what there was."""

import signal

import psycopg
import pytest

from sentinel.stack import access
from tests.stack.running import Stack

pytestmark = pytest.mark.stack


def test_two_starts_on_one_home(stack: Stack) -> None:
    stack.start()
    assert stack.said.count("Ready in") == 1
    assert "sign in as admin with the password" in stack.said
    assert stack.get("/accounts/login/") == 200
    with psycopg.connect(access.read(stack.home)["DATABASE_OWNER_URL"]) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('still here')")

    assert stack.stop(signal.SIGINT) == 0
    assert "Everything has stopped" in stack.said
    assert stack.left() == {}
    assert not (stack.home / "run" / "processes.json").exists()

    stack.start()
    assert "sign in as admin." in stack.said
    with psycopg.connect(access.read(stack.home)["DATABASE_OWNER_URL"]) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("still here",)
    assert stack.stop() == 0
    assert stack.left() == {}


def test_a_stop_in_the_middle_of_a_start_leaves_nothing(stack: Stack) -> None:
    stack.launch()
    stack.wait_said("postgres")
    assert stack.stop() == 0
    assert "Stopped while starting" in stack.said
    stack.start()
    assert stack.stop() == 0


def test_a_given_password_is_neither_shown_nor_logged(stack: Stack) -> None:
    stack.env["SENTINEL_ADMIN_PASSWORD"] = "a password of my own 7"
    stack.start()
    stack.stop()
    logs = "".join(log.read_text(errors="replace") for log in (stack.home / "log").iterdir())
    assert "password of my own" not in stack.said + logs
