"""Whose a flow was: what a sensor on the wire saw, found among the connections that hosts reported."""

from datetime import timedelta
from typing import Any

import pytest

from apps.fleet.models import HostAgent
from apps.telemetry.flows import Flow, endpoint, read_flow
from apps.telemetry.selectors import FlowOwner, flow_owners
from tests.gateway.machine import Machine
from tests.gateway.working import at, process, run_start, socket, told

pytestmark = pytest.mark.django_db
NEAR, FAR = "10.0.0.5:40000", "198.51.100.7:22"


def watched(*sockets: dict[str, Any], processes: int = 1) -> Machine:
    machine = Machine.enrolled()
    mine = [process(200 + place, cgroup="/sentinel/rome/x") for place in range(processes)]
    told(machine, run_start(), *mine, *sockets)
    return machine


def flow(source: str = NEAR, target: str = FAR, *, seconds: float = 2.0, host: int | None = None) -> Flow:
    return Flow(host, "tcp", source, target, at(seconds))


def owner(one: Flow) -> FlowOwner | None:
    return flow_owners([one]).get(0)


@pytest.mark.parametrize("ends", [(NEAR, FAR), (FAR, NEAR)])
def test_flow_in_either_direction_has_its_process_and_run(ends: tuple[str, str]) -> None:
    machine = watched(socket())
    found = owner(flow(*ends))
    assert found is not None
    assert found.exact
    assert found.host_id == machine.agent.host_id
    assert found.run_id is not None


def test_of_two_fleet_hosts_it_is_the_one_that_began_it() -> None:
    mine = watched(socket(remote="10.0.0.6:9000"))
    watched(socket(local="10.0.0.6:9000", remote=NEAR))
    found = owner(flow(NEAR, "10.0.0.6:9000"))
    assert found is not None
    assert found.host_id == mine.agent.host_id


def test_behind_nat_the_far_end_alone_is_enough_while_nobody_else_was_connected_to_it() -> None:
    watched(socket(), processes=2)
    outside = flow("203.0.113.1:61000")
    found = owner(outside)
    assert found is not None
    assert not found.exact
    watched(socket(201, local="10.0.0.9:40000"), processes=2)
    assert owner(outside) is None


def test_two_hosts_with_the_same_addresses_are_told_apart_by_the_host_alone() -> None:
    first, _ = watched(socket()), watched(socket())
    assert owner(flow()) is None
    found = owner(flow(host=first.agent.host_id))
    assert found is not None
    assert found.host_id == first.agent.host_id


def test_time_decides_between_owners_of_one_port() -> None:
    close = {"kind": "socket.close", "at": at(3).timestamp(), "pid": 200, "local": NEAR, "remote": FAR}
    watched(socket(), close, socket(201, at=at(300).timestamp()), processes=2)
    early, late = owner(flow()), owner(flow(seconds=301))
    assert early is not None
    assert late is not None
    assert early.process_id != late.process_id
    assert owner(flow(seconds=100)) is None


def test_peer_of_everybody_hides_no_connection() -> None:
    watched(*(socket(local=f"10.0.0.6:{20_000 + n}", at=at(2 + n / 1000).timestamp()) for n in range(300)))
    found = owner(flow("10.0.0.6:20000", FAR))
    assert found is not None
    assert found.exact


def test_clock_of_the_host_is_set_right() -> None:
    machine = watched(socket(at=at(122).timestamp()))
    assert owner(flow()) is None
    HostAgent.objects.filter(pk=machine.agent.pk).update(clock_offset_ms=120_000)
    assert owner(flow()) is not None


def test_many_flows_are_looked_up_in_two_queries(django_assert_num_queries: Any) -> None:
    watched(socket())
    with django_assert_num_queries(2):
        found = flow_owners([flow(), flow(target="198.51.100.9:1"), flow()])
    assert set(found) == {0, 2}
    assert flow_owners([]) == {}


def test_flow_is_read_from_what_an_alert_keeps() -> None:
    ends = {
        "src": "::ffff:10.0.0.5",
        "src_port": 40000,
        "dst": "2001:DB8::7",
        "dst_port": 22,
    }
    read = read_flow({"proto": "TCP"} | ends, host_id=None, at=at())
    assert read is not None
    assert (read.proto, read.source, read.target) == ("tcp", NEAR, "[2001:db8::7]:22")
    assert at() + timedelta(0) == read.at


@pytest.mark.parametrize("odd", [None, 5, [], {}, {"src": "x", "src_port": 1, "dst": "::1", "dst_port": 1}])
def test_what_is_no_flow_is_none(odd: Any) -> None:
    assert read_flow(odd, host_id=None, at=at()) is None
    assert endpoint("10.0.0.5", True) == endpoint("10.0.0.5", 70_000) == endpoint("1" * 99, 5) == ""
