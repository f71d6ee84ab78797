"""This machine stays the same host of its own server, whatever port a start has."""

import json

import pytest

from tests.stack.running import Stack, until

pytestmark = pytest.mark.stack


def test_the_host_agent_follows_a_new_port_and_is_the_same_host(stack: Stack) -> None:
    stack.start()
    before = json.loads((stack.home / "hostagent" / "agent.json").read_text())
    stack.stop()
    stack.move_port()
    stack.start()
    after = json.loads((stack.home / "hostagent" / "agent.json").read_text())
    assert after["agent_id"] == before["agent_id"]
    assert after["server"] == f"http://127.0.0.1:{stack.port}" != before["server"]
    until(lambda: stack.health()["agents"]["reporting"] == 1, seconds=30)
