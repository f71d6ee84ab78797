"""Alert sources by a script: made, listed, revoked."""

import pytest

from tests.api.script import Script, script_of
from tests.console.cast import person
from tests.gateway.reporting import Sensor
from tests.gateway.samples import SURICATA

pytestmark = pytest.mark.django_db


def test_a_script_makes_a_source_and_its_token_works_until_it_is_revoked() -> None:
    script: Script = script_of(person("ada"))
    made = script.post("/sources", {"name": "edge", "format": "suricata"}).json()
    assert made["path"] == "/v1/alerts/suricata"
    sensor = Sensor("suricata")
    sensor.text = made["token"]
    assert sensor.post(SURICATA).status_code == 200
    listed = script.get("/sources").json()["items"]
    assert {it["name"] for it in listed} == {"edge", "the suricata"}
    assert made["token"] not in str(listed)
    pk = made["source"]["id"]
    assert script.post(f"/sources/{pk}/revoke").json()["revoked_at"] is not None
    assert script.post(f"/sources/{pk}/revoke").status_code == 409
    assert sensor.post(SURICATA).status_code == 401


def test_an_alert_names_its_source_and_the_hash_of_what_was_sent() -> None:
    sensor = Sensor("suricata", "edge firewall")
    (alert,) = sensor.tell(SURICATA)
    report = sensor.source.reports.get()
    assert script_of(person("ada")).get(f"/alerts/{alert.pk}").json()["report"] == {
        "id": report.pk,
        "source": "edge firewall",
        "format": "suricata",
        "sha256": report.digest,
        "original": f"/reports/{report.pk}/original",
    }


def test_a_format_that_nobody_reads_is_refused() -> None:
    assert script_of(person("ada")).post("/sources", {"name": "x", "format": "snort"}).status_code == 422
