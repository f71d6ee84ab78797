"""Runs and hosts by script, and the way in for a new host."""

import pytest

from apps.fleet.services import token_is_open
from tests.api import facts
from tests.api.script import script_of
from tests.response import cast

pytestmark = pytest.mark.django_db


def test_runs_and_hosts_are_listed_and_shown() -> None:
    _, run, machine = facts.scene()
    script = script_of(cast.person("viewer"))
    assert [item["name"] for item in script.get("/runs").json()["items"]] == [run.name]
    told = script.get(f"/runs/{run.pk}").json()
    assert told["placements"][0]["host"]["name"] == machine.host.name
    hosts = script.get("/hosts").json()["items"]
    assert hosts == [script.get(f"/hosts/{machine.host.pk}").json()]
    assert hosts[0]["agents"][0]["uuid"] == str(machine.agent.uuid)


def test_a_run_that_ended_is_listed_among_all() -> None:
    run = cast.run(state="ended")
    script = script_of(cast.person("viewer"))
    assert script.get("/runs").json()["items"] == []
    assert [item["id"] for item in script.get("/runs", state="all").json()["items"]] == [run.pk]


def test_an_admin_offers_an_enrolment_and_revokes_a_host_agent_once() -> None:
    machine = cast.machine()
    script = script_of(cast.person("admin"))
    offer = script.post("/hosts/offers")
    assert offer.status_code == 201
    assert token_is_open(offer.json()["token"])
    body = {"agent": str(machine.agent.uuid), "reason": "sold"}
    assert script.post(f"/hosts/{machine.host.pk}/revoke", body).json()["agents"][0]["state"] == "revoked"
    assert script.post(f"/hosts/{machine.host.pk}/revoke", body).status_code == 409
    assert script.post(f"/hosts/{machine.host.pk}/revoke", {"agent": "x"}).status_code == 404
