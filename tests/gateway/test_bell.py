"""The bell brings an order as soon as it is committed, to the host that it is for and to no other."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from apps.audit.services import SYSTEM
from apps.feed.services import hand
from apps.fleet.models import HostAgent
from apps.fleet.services import revoke
from apps.response.models import OrderTarget
from apps.telemetry.models import Batch, Process
from tests.live import Web, web
from tests.response.cast import Machine, machine, order, person, run

PATH = "/agent/v1/bell"


@pytest.fixture(scope="module")
def running(django_db_setup: None, django_db_blocker: Any) -> Iterator[Web]:
    with django_db_blocker.unblock(), web() as server:
        yield server


@pytest.fixture
def server(transactional_db: None, running: Web) -> Web:
    return running


def listen(server: Web, here: Machine, headers: dict[str, str] | None = None) -> ClientConnection:
    headers = here.headers("GET", PATH) if headers is None else headers
    return connect(f"ws://127.0.0.1:{server.port}{PATH}", additional_headers=headers, compression=None)


def heard(bell: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    return json.loads(bell.recv(timeout=seconds))


def test_it_greets_with_the_time_and_rings_once_for_what_waited(server: Web) -> None:
    here = machine()
    with listen(server, here) as bell:
        hello = heard(bell)
        assert hello["bell"] == "hello"
        assert abs(hello["server_time_ms"] - time.time() * 1000) < 60_000
        assert heard(bell) == {"bell": "orders"}


def test_it_rings_for_an_order_on_this_host_and_not_on_another(server: Web) -> None:
    here, other = machine("a"), machine("b")
    with listen(server, here) as bell, listen(server, other) as silent:
        for one in (bell, silent):
            heard(one), heard(one)
        order(run(here), person())
        ringing = heard(bell)
        assert ringing["bell"] == "orders"
        target = OrderTarget.objects.get()
        assert ringing["orders"] == [{"payload": target.payload, "signature": target.signature}]
        silent.send(json.dumps({"beat": 1}))
        assert "beat" in heard(silent)


def test_an_order_too_long_for_the_bell_is_rung_for(server: Web) -> None:
    here = machine()
    training = run(here)
    now = timezone.now()
    batch = Batch.objects.create(
        agent=here.agent, sequence=1, body=b"[]", digest="", signature="", received_at=now
    )
    Process.objects.bulk_create(
        Process(
            host=here.host, run=training, pid=pid, start_ticks=10**9, ppid=1, batch=batch,
            started_at=now, executed_at=now, received_at=now,
        )
        for pid in range(1, 1_001)
    )  # fmt: skip
    with listen(server, here) as bell:
        heard(bell), heard(bell)
        order(training, person())
        assert len(OrderTarget.objects.get().payload) > 8_000
        assert heard(bell) == {"bell": "orders"}


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"payload": "x"}', '"payload signature"'])
def test_what_is_no_order_is_only_rung_for(server: Web, text: str) -> None:
    here = machine()
    with listen(server, here) as bell:
        heard(bell), heard(bell)
        hand({f"orders:{here.agent.pk}": text})
        assert heard(bell) == {"bell": "orders"}


def test_a_burst_is_heard_whole_and_in_its_order_or_fetched(server: Web) -> None:
    here = machine()

    def signed(number: int) -> dict[str, str]:
        return {"payload": f"{number}", "signature": "s"}

    with listen(server, here) as bell:
        heard(bell), heard(bell)
        with transaction.atomic():
            for number in range(3):
                hand({f"orders:{here.agent.pk}": json.dumps(signed(number))})
        assert [heard(bell)["orders"] for _ in range(3)] == [[signed(number)] for number in range(3)]
        with transaction.atomic():
            for number in range(50):
                hand({f"orders:{here.agent.pk}": json.dumps(signed(number))})
        assert heard(bell) == {"bell": "orders"}


def test_a_beat_comes_back_with_the_server_s_time(server: Web) -> None:
    here = machine()
    HostAgent.objects.update(last_seen_at=None)
    with listen(server, here) as bell:
        heard(bell), heard(bell)
        bell.send(json.dumps({"beat": 1_700_000_000_000}))
        answer = heard(bell)
        assert answer["beat"] == 1_700_000_000_000
        assert answer["server_time_ms"] > 1_700_000_000_000
        deadline = time.monotonic() + 20
        while not HostAgent.objects.get().last_seen_at:  # so hosts count as seen while the inbox waits
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_nobody_listens_unsigned_with_anothers_signature_or_twice_with_the_same(server: Web) -> None:
    here, other = machine("a"), machine("b")
    stolen = other.headers("GET", PATH) | {"Sentinel-Agent": str(here.agent.uuid)}
    for headers in ({}, stolen, here.headers("GET", "/agent/v1/orders")):
        with pytest.raises(InvalidStatus):
            listen(server, here, headers)
    once = here.headers("GET", PATH)
    with listen(server, here, once) as bell:
        heard(bell)
    with pytest.raises(InvalidStatus):
        listen(server, here, once)


def test_an_agent_that_is_revoked_loses_the_bell(server: Web) -> None:
    here = machine()
    with listen(server, here) as bell:
        heard(bell), heard(bell)
        revoke(here.agent, by=SYSTEM)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                heard(bell, seconds=20)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 4403
    with pytest.raises(InvalidStatus):
        listen(server, here)


def test_nonsense_on_the_bell_is_ignored(server: Web) -> None:
    here = machine()
    with listen(server, here) as bell:
        heard(bell), heard(bell)
        for text in ("nonsense", "[]", '{"beat": "x"}', '{"beat": NaN}', "{" * 3_000):
            bell.send(text)
        bell.send(json.dumps({"beat": 5}))
        assert heard(bell)["beat"] == 5
