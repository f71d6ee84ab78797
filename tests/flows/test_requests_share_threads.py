"""Django's requests borrow threads and connections, and give them back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from sentinel.pool import MOST
from tests.live import Web, web

pytestmark = pytest.mark.django_db(transaction=True)


def threads_of(server: Web) -> int:
    assert server.process
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("Threads:")).split()[1])


def connections_of_others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND application_name <> 'sentinel feed'"
        )
        return int(cursor.fetchone()[0])


def status(server: Web, path: str) -> int:
    return server.request("GET", path)[0]


def test_a_hundred_requests_leave_no_thread_and_no_connection_behind() -> None:
    with web() as server, ThreadPoolExecutor(10) as people:
        ask = lambda _: status(server, "/healthz")  # noqa: E731
        answers = list(people.map(ask, range(20)))
        before = threads_of(server)
        answers += people.map(ask, range(100))
        assert set(answers) <= {200, 503}  # without a broker it is not well, and says so
        assert threads_of(server) <= before + 10  # as many as ask at once, and not one a request
        assert connections_of_others() <= MOST + 10


def test_a_request_that_fails_gives_its_thread_back() -> None:
    with web() as server:
        for _ in range(5):
            assert server.request("POST", "/agent/v1/enrol", body=b"nonsense")[0] >= 400
        before = threads_of(server)
        for _ in range(20):
            server.request("POST", "/agent/v1/enrol", body=b"nonsense")
        assert threads_of(server) <= before + 1
