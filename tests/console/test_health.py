"""Health: told to anybody, 503 only when people could not see or stop a run."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from apps.telemetry.models import Batch
from sentinel.stack.postgres import SERVICES
from sentinel.stack.rights import grant
from tests.console.cast import person, story
from tests.live import session_of

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker) -> Iterator[str]:
    """A web process whose broker is away."""
    from tests.live import Web

    web = Web(env={"REDIS_URL": NOWHERE})
    with django_db_blocker.unblock():
        web.start()
        deadline = time.monotonic() + 30
        while health(web.address)[0] != 200 and time.monotonic() < deadline:
            time.sleep(0.05)  # the feed's link comes up right after the port
        yield web.address
        web.stop()


def health(address: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=20) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_without_a_broker_it_is_degraded_and_not_down(server: str, transactional_db: None):
    """A kill needs neither broker nor workers: nobody may be sent away from the page that orders it."""
    status, said = health(server)
    assert (status, said["status"]) == (200, "degraded")
    assert said["parts"]["broker"] == {"ok": False}
    assert said["parts"]["database"]["ok"]
    assert said["parts"]["migrations"] == {"ok": True, "missing": 0}
    assert said["parts"]["feed"]["linked"]


def test_it_says_whether_the_trail_is_out_of_reach_of_the_server_itself(server: str, transactional_db: None):
    assert health(server)[1]["parts"]["audit"] == {"ok": True, "append_only": True}
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT UPDATE ON audit_auditentry TO {SERVICES}")
    try:
        assert health(server)[1]["parts"]["audit"] == {"ok": True, "append_only": False}
    finally:
        grant(SERVICES)
    otto = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session_of(person('otto'))}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server}/audit/", headers=otto)) as page:  # noqa: S310
        assert "Append only" in page.read().decode()


def test_what_waits_and_what_could_not_be_worked_off_is_counted(server: str, transactional_db: None):
    it = story()
    Batch.objects.update(state="pending")
    assert health(server)[1]["parts"]["inbox"]["waiting"] == 1
    Batch.objects.update(state="dead")
    parts = health(server)[1]["parts"]
    assert (parts["inbox"]["waiting"], parts["inbox"]["dead"]) == (0, 1)
    assert parts["agents"]["reporting"] == 1
    assert it.host.name not in json.dumps(parts)
