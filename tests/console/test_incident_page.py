"""The incident page: what it shows, and what people do there."""

import json
import re

import pytest
from django.urls import reverse

from apps.attribution.models import Attribution
from apps.audit.models import AuditEntry
from apps.console.panels import log
from apps.console.panels.case import Case
from apps.incidents import services
from apps.incidents.choices import Status
from apps.incidents.models import Annotation, Incident
from apps.response.services import receive
from tests.console.cast import Story, browser, person, story
from tests.response.cast import machine, order, run
from tests.response.cast import person as response_person

pytestmark = pytest.mark.django_db


def act(client, it: Story, name: str, **data):
    address = reverse("incident_act", args=[it.incident.pk, name])
    return client.post(address, data, headers={"HX-Request": "true"})


def said(answer) -> str:
    return json.loads(answer.headers["HX-Trigger"])["toast"]["text"]


def test_the_page_shows_the_join_from_the_call_to_the_alert():
    it = story()
    page = browser("mei").get(f"/incidents/{it.incident.pk}/").content.decode()
    for piece in (it.incident.number, "Tool call", "Process 48211", "Connection", "+412 ms", "±8 ms", "97"):
        assert piece in page, piece


def test_the_tree_leads_from_the_ancestors_to_what_was_started():
    it = story()
    page = browser("mei").get(f"/incidents/{it.incident.pk}/panel/tree/").content.decode()
    places = [page.index(f">{pid}<") for pid in (48_200, 48_211, 48_212)]
    assert places == sorted(places)
    assert page.count("data-hit") == 1


def test_taking_answers_and_the_row_says_who():
    it = story()
    answer = act(browser("ana"), it, "take")
    assert (answer.status_code, said(answer)) == (204, f"{it.incident.number}: Taken.")
    assert Incident.objects.get().owner == person("ana")


def test_the_second_person_reads_who_was_first():
    it = story()
    act(browser("ana"), it, "take")
    answer = act(browser("jonas"), it, "take", version="1")
    assert answer.status_code == 409
    assert said(answer).startswith("ana was first: it is in hand now.")
    assert Incident.objects.get().owner == person("ana")


def test_taking_over_works_only_from_a_page_that_showed_the_owner():
    it = story()
    taken = services.take(it.incident, by=person("ana"))
    assert act(browser("jonas"), it, "take").status_code == 409
    assert act(browser("jonas"), it, "take", version=str(taken.version)).status_code == 204
    assert Incident.objects.get().owner == person("jonas")


def test_closing_needs_a_verdict_and_keeps_the_note():
    it = story()
    assert act(browser("jonas"), it, "close", verdict="").status_code == 422
    done = act(browser("jonas"), it, "close", verdict="model", note="proven", version="1")
    assert done.status_code == 204
    assert "closedialog" in json.loads(done.headers["HX-Trigger"])
    page = browser("mei").get(f"/incidents/{it.incident.pk}/").content.decode()
    assert "Model-initiated" in page
    assert "proven" in page


def test_closing_from_a_page_that_is_behind_is_refused():
    it = story()
    services.grade(it.incident, level="low", by=person("ana"))
    answer = act(browser("jonas"), it, "close", verdict="model", version="1")
    assert answer.status_code == 409
    assert "ana was first" in said(answer)


def test_an_act_can_be_taken_back_from_the_page():
    it = story()
    client = browser("ana")
    offered = json.loads(act(client, it, "take").headers["HX-Trigger"])["toast"]["undo"]
    assert offered["seconds"] == 10
    assert client.post(offered["url"], {"act": offered["act"]}).status_code == 302
    assert Incident.objects.get().status == Status.NEW
    assert act(client, it, "undo", act="take").status_code == 409


def test_without_scripts_an_act_leads_back_to_the_page():
    it = story()
    answer = browser("ana").post(reverse("incident_act", args=[it.incident.pk, "take"]))
    assert answer.headers["Location"] == f"/incidents/{it.incident.pk}/"


@pytest.mark.parametrize("name", ["delete", "__class__", "assign"])
def test_an_act_that_does_not_exist_is_not_found(name: str):
    assert act(browser("ana"), story(), name).status_code == 404


def test_annotating_keeps_what_was_written_when_it_is_refused():
    it = story()
    address = reverse("incident_annotate", args=[it.incident.pk])
    client = browser("jonas")
    refused = client.post(address, {"text": "x" * 20_001}, headers={"HX-Request": "true"})
    assert refused.status_code == 422
    assert "x" * 20_001 in refused.content.decode()
    assert client.post(address, {"text": "not ours"}, headers={"HX-Request": "true"}).status_code == 204
    assert Annotation.objects.get().by == person("jonas")


def test_a_panel_that_does_not_exist_is_not_found():
    it = story()
    assert browser("mei").get(f"/incidents/{it.incident.pk}/panel/page/").status_code == 404


def test_an_incident_whose_alerts_nobody_looked_at_says_so():
    it = story()
    it.alerts[0].attributions.all().delete()
    page = browser("mei").get(f"/incidents/{it.incident.pk}/").content.decode()
    assert "Not looked at yet" in page


def test_an_incident_without_a_run_offers_no_order():
    it = story()
    Incident.objects.update(run=None)
    page = browser("ana").get(f"/incidents/{it.incident.pk}/").content.decode()
    assert "no run under this incident" in page
    assert "rung kill" not in page


def test_what_speaks_for_a_hypothesis_does_not_stand_behind_the_word_against():
    it = story()

    def said() -> str:
        return browser("mei").get(f"/incidents/{it.incident.pk}/panel/hypotheses/").content.decode()

    basis = [{"matcher": "command", "strength": 90, "says": "its words", "against": False}]
    Attribution.objects.update(basis=basis)
    assert "1 for, 0 against<" in said()
    assert "a person signed in" not in said()
    other = {"matcher": "ancestry", "strength": 40, "says": "a person signed in", "against": True}
    Attribution.objects.update(basis=[*basis, other])
    model = said().split('data-origin="model"')[1].split("</li></ul>")[0]
    assert "1 for, 1 against<" in model
    assert re.search(r'class="against">.*a person signed in', model)


def test_a_person_says_who_did_it_and_the_machines_word_stays_beside_it():
    it = story()
    jonas = browser("jonas")
    act = f"/incidents/{it.incident.pk}/act/judge/"
    assert "Why" in jonas.get(f"/incidents/{it.incident.pk}/judge/").content.decode()
    refused = jonas.post(act, {"origin": "dependency", "note": " "}, headers={"HX-Request": "true"})
    assert refused.status_code == 422
    assert "Say why" in refused.headers["HX-Trigger"]
    jonas.post(act, {"origin": "dependency", "note": "the post-install script of left-pad"})
    kept = Incident.objects.get()
    assert (kept.judged, kept.judged_by, kept.origin) == ("dependency", "jonas", it.incident.origin)
    page = jonas.get(f"/incidents/{it.incident.pk}/").content.decode()
    assert "the post-install script of left-pad" in page
    assert "The machine&#x27;s own" in page or "The machine's own" in page
    entry = AuditEntry.objects.get(action="incident.judged")
    assert entry.detail["note"] == "the post-install script of left-pad"


def test_a_result_that_arrived_before_its_steps_stands_after_them():
    it, here = story(), machine()
    training = run(here)
    target = order(training, response_person(), incident=it.incident).targets.get()
    receive(here.agent, *here.receipt(target, "WATCHING", 4))
    for seq, stage in enumerate(("DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED")):
        receive(here.agent, *here.receipt(target, stage, seq))
    receive(here.agent, *here.receipt(target, "WATCHING", 5))  # killed again: where it came in
    entries = [one["says"] for one in log.of_incident(Case(it.incident)) if one["says"].startswith("signed")]
    assert [said.removeprefix("signed: ") for said in reversed(entries)] == [
        "delivered", "frozen", "evidence captured", "signalled", "watching", "watching",
    ]  # fmt: skip


def test_a_call_whose_end_nobody_told_does_not_run_on_after_its_run():
    it = story()
    it.call.ended_at = None
    it.call.save()
    address = f"/runs/{it.run.pk}/panel/calls/"
    assert "running" in browser("mei").get(address).content.decode()
    it.run.ended_at = it.at
    it.run.save()
    text = browser("mei").get(address).content.decode()
    assert "no end told" in text
    assert "running" not in text
