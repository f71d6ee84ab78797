"""Hosts by health, derived from when each was last heard; enrolment and revocation."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.fleet.choices import AgentState
from apps.fleet.health import Health, health
from apps.fleet.models import Host, HostAgent
from apps.fleet.services import token_is_open
from tests.console.cast import browser, story
from tests.response.cast import machine

pytestmark = pytest.mark.django_db


def silent(name: str, seconds: float | None) -> HostAgent:
    agent = machine(name).agent
    agent.last_seen_at = None if seconds is None else timezone.now() - timedelta(seconds=seconds)
    agent.save()
    return agent


@pytest.mark.parametrize(
    ("seconds", "state"), [(1, "reporting"), (20, "late"), (59, "late"), (61, "blind"), (None, "blind")]
)
def test_silence_decides_and_is_never_stored(seconds: float | None, state: str, settings):
    settings.HOST_LATE_SECONDS = 15
    assert health(silent("gpu-a12-01", seconds)) == state


def test_a_host_without_an_agent_is_blind():
    assert health(None) == Health.BLIND


def test_the_worst_hosts_stand_first_and_the_counts_add_up():
    silent("gpu-a12-01", 1), silent("gpu-a12-02", 1000), silent("gpu-a12-03", 30)
    page = browser("mei").get("/fleet/")
    assert [row["host"].name for row in page.context["rows"]] == ["gpu-a12-02", "gpu-a12-03", "gpu-a12-01"]
    count = {it["slug"]: it["count"] for it in page.context["counts"]}
    assert (count["all"], count["reporting"], count["late"], count["blind"]) == (3, 1, 1, 1)
    shell = page.context["shell"]
    assert (shell.hosts_total, shell.hosts_seen, shell.hosts_late, shell.hosts_blind) == (3, 1, 1, 1)


def test_a_host_is_not_said_to_be_watched_before_it_was_enrolled():
    agent = silent("gpu-a12-01", 1)
    (row,) = browser("mei").get("/fleet/").context["rows"]
    ((start, share),) = row["blind_spans"]
    assert start == 0
    assert share > 90
    assert row["blind_says"] == "Watched for 0 min, since it was enrolled"
    agent.enrolled_at = timezone.now() - timedelta(hours=1)
    agent.save()
    (row,) = browser("mei").get("/fleet/").context["rows"]
    assert row["blind_spans"] == []


def test_a_filter_shows_those_hosts_alone():
    silent("gpu-a12-01", 1), silent("gpu-a12-02", 1000)
    page = browser("mei").get("/fleet/?health=blind")
    assert [cell["host"].name for cell in page.context["racks"][0]["cells"]] == ["gpu-a12-02"]
    assert len(browser("mei").get("/fleet/?health=nonsense").context["racks"][0]["cells"]) == 2


def test_a_clone_is_shown_apart_and_loudly():
    it = machine("gpu-a12-01")
    HostAgent.objects.create(
        uuid="00000000-0000-4000-8000-000000000000", host=it.host, public_key=b"k" * 32, version="2",
        state=AgentState.CLONE,
    )  # fmt: skip
    page = browser("mei").get(f"/fleet/{it.host.pk}/").content.decode()
    assert "A second key speaks for this host" in page


def test_one_command_enrols_a_host_and_is_shown_once():
    ada = browser("ada")
    page = ada.post("/fleet/offer/", headers={"host": "localhost"}).content.decode()
    command = re.search(r'aria-label="The command">([^<]+)<', page)[1]
    token = re.search(r"sen-[\w-]+", command)[0]
    assert token_is_open(token)
    assert "http://localhost/agent/v1/install" in command
    assert token not in ada.get("/fleet/").content.decode()
    assert token not in str(list(AuditEntry.objects.values()))


def test_a_name_that_the_browser_made_up_does_not_get_into_the_command():
    answer = browser("ada").post("/fleet/offer/", headers={"host": "evil.example; rm -rf /"})
    assert answer.status_code == 400


def test_a_revoked_host_is_heard_no_more_and_the_trail_says_by_whom():
    it = story()
    assert browser("ada").post(f"/fleet/{it.host.pk}/revoke/").status_code == 302
    assert HostAgent.objects.get().state == AgentState.REVOKED
    assert AuditEntry.objects.get(action="host.revoked").by_name == "ada"
    assert "Revoked" in browser("mei").get(f"/fleet/{it.host.pk}/").content.decode()
    assert Host.objects.count() == 1
