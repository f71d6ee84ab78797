"""The servers that the stack brings with it are real, private and the settings point at them."""

import os
from pathlib import Path

import psycopg
import redis


def test_database_takes_connections_of_a_role_that_is_no_superuser() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, rolsuper"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (18, False)


def test_database_listens_on_no_network_address() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_broker_answers_to_its_password_and_to_nothing_else() -> None:
    url = os.environ["REDIS_URL"]
    assert redis.from_url(url).ping()
    without = redis.from_url("redis://" + url.rpartition("@")[2])
    try:
        without.ping()
    except redis.AuthenticationError:
        return
    raise AssertionError("the broker answered without a password")


def test_secrets_are_readable_to_their_owner_only() -> None:
    keys = Path(os.environ["SENTINEL_HOME"]) / "keys"
    assert {file.stat().st_mode & 0o777 for file in keys.iterdir()} == {0o600}
    assert keys.stat().st_mode & 0o777 == 0o700


def test_no_secret_stands_in_a_command_line() -> None:
    keys = Path(os.environ["SENTINEL_HOME"]) / "keys"
    secrets = [file.read_bytes() for file in keys.iterdir()]
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    assert not [line for line in lines for secret in secrets if secret in line]
