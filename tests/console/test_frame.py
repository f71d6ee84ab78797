"""What stands around every page: coverage, runs, what waits; and search, settings, errors."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.feed.models import FeedEntry
from apps.incidents import services
from tests.console.cast import browser, person, story

pytestmark = pytest.mark.django_db


def test_the_frame_asks_four_times_at_any_size():
    client = browser("mei")
    client.get("/settings/")
    with CaptureQueriesContext(connection) as few:
        client.get("/settings/")
    for number in range(5):
        story(f"gpu-a12-{number:02d}")
    with CaptureQueriesContext(connection) as many:
        client.get("/settings/")
    assert len(few) == len(many) <= 10


def test_a_fragment_does_not_pay_for_the_frame():
    it = story()
    client = browser("mei")
    with CaptureQueriesContext(connection) as asked:
        client.get(f"/incidents/{it.incident.pk}/panel/annotations/")
    assert not any("fleet_hostagent" in query["sql"] for query in asked.captured_queries)


def test_the_cursor_is_from_before_the_page_was_read():
    it = story()
    services.take(it.incident, by=person("ana"))
    last = FeedEntry.objects.latest("id").pk
    for address in ("/", f"/incidents/{it.incident.pk}/", "/runs/", "/fleet/", "/orders/"):
        assert f'data-cursor="{last}"' in browser("mei").get(address).content.decode()


def test_the_theme_of_a_person_is_in_the_first_byte():
    client = browser("mei")
    assert client.post("/settings/theme/", {"theme": "dark"}).status_code == 204
    assert '<html lang="en" data-theme="dark">' in client.get("/").content.decode()
    assert client.post("/settings/theme/", {"theme": "pink"}).status_code == 422
    assert 'data-theme="dark"' in client.get("/").content.decode()


def test_single_keys_can_be_turned_off():
    client = browser("mei")
    client.post("/settings/keys/", {"single_keys": "off"})
    assert 'data-keys="off"' in client.get("/").content.decode()


def test_search_leads_straight_to_what_a_number_names():
    it = story()
    client = browser("mei")
    assert (
        client.get("/search/", {"q": it.incident.number}).headers["Location"]
        == f"/incidents/{it.incident.pk}/"
    )
    assert client.get("/search/", {"q": "inc-999"}).status_code == 200
    assert client.get("/search/", {"q": it.host.name}).headers["Location"] == f"/fleet/{it.host.pk}/"


def test_search_finds_how_names_begin():
    it = story()
    page = browser("mei").get("/search/", {"q": it.run.name[:5]}).content.decode()
    assert f"/runs/{it.run.pk}/" in page
    assert it.incident.number in page
    assert "Nothing found" in browser("mei").get("/search/", {"q": "%"}).content.decode()


def test_a_missing_page_is_a_page_for_people_and_a_status_for_scripts():
    client = browser("mei")
    page = client.get("/incidents/999/")
    assert page.status_code == 404
    assert "Nothing has this address" in page.content.decode()
    script = client.get("/incidents/999/peek/", headers={"HX-Request": "true"})
    assert (script.status_code, script.content) == (404, b"Not here.")


def test_a_refusal_says_which_right_is_missing_to_a_script():
    answer = browser("mei").post("/queue/act/", {"act": "take", "ids": "1"}, headers={"HX-Request": "true"})
    assert answer.status_code == 403
    assert b"take, change and annotate incidents" in answer.content


def test_no_page_is_kept_by_a_cache():
    story()
    for address in ("/", "/audit/", "/fleet/"):
        assert "no-store" in browser("ada").get(address).headers["Cache-Control"]


def test_a_form_from_another_site_is_refused():
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(person("ana"), backend="django.contrib.auth.backends.ModelBackend")
    it = story()
    assert client.post(f"/incidents/{it.incident.pk}/act/take/").status_code == 403


def test_every_page_carries_the_strict_policy():
    policy = browser("mei").get("/").headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
