"""Alert sources on the fleet page, and what they sent, from an incident's evidence."""

import json
import re

import pytest

from apps.console.views.health import _inbox
from apps.fleet.models import AlertSource
from apps.incidents.models import Incident
from apps.telemetry.models import Report
from tests.console.cast import browser
from tests.gateway.reporting import Sensor
from tests.gateway.samples import FALCO

pytestmark = pytest.mark.django_db


def test_the_token_is_shown_once_and_opens_the_door():
    admin = browser("ada")
    page = admin.post("/fleet/sources/", {"name": "edge", "format": "falco"})
    text = re.search(r"src-[\w-]{43}", page.content.decode())
    assert text
    assert text[0] not in admin.get("/fleet/").content.decode()
    sensor = Sensor("falco", "other")
    sensor.text = text[0]
    assert sensor.post(FALCO).status_code == 200
    assert AlertSource.objects.get(name="edge").last_seen_at is not None


@pytest.mark.parametrize(
    "fields", [{}, {"name": "x" * 65, "format": "falco"}, {"name": "x", "format": "snort"}]
)
def test_a_source_that_cannot_be_is_refused_with_the_reason(fields):
    page = browser("ada").post("/fleet/sources/", fields)
    assert page.status_code == 422
    assert "No source made" in page.content.decode()
    assert not AlertSource.objects.exists()


def test_revoking_takes_it_off_the_page():
    sensor = Sensor("falco", "edge firewall")
    admin = browser("ada")
    assert "edge firewall" in admin.get("/fleet/").content.decode()
    assert "edge firewall" not in admin.post(f"/fleet/sources/{sensor.source.pk}/revoke/").content.decode()
    assert sensor.post(FALCO).status_code == 401
    assert admin.post("/fleet/sources/987654321/revoke/").status_code == 404


def test_reports_that_could_not_be_worked_off_are_counted():
    sensor = Sensor("falco", "edge firewall")
    sensor.post(FALCO)
    Report.objects.update(state="dead")
    assert "1 could not be worked off" in browser("mei").get("/fleet/").content.decode()
    assert _inbox()["dead"] == 1


def test_the_original_is_a_file_that_no_browser_opens():
    sensor = Sensor("falco")
    hostile = FALCO | {"output": "<script>alert(1)</script>"}
    sensor.tell(hostile)
    report = Report.objects.get()
    page = browser("mei").get(f"/incidents/{Incident.objects.get().pk}/").content.decode()
    assert f"/reports/{report.pk}/original" in page
    assert report.digest[:4] in page
    assert "<script>alert" not in page
    answer = browser("mei").get(f"/reports/{report.pk}/original")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")
    assert json.loads(answer.content) == hostile
    assert browser("mei").get("/reports/987654321/original").status_code == 404
