"""`POST /v1/alerts/<format>`: kept as it came before it is answered, and refused as its sender expects."""

import gzip
import hashlib
import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from apps.audit.models import AuditEntry
from apps.audit.services import SYSTEM
from apps.detection.models import Alert
from apps.feed.models import FeedEntry
from apps.fleet.sources import make_source, revoke_source
from apps.gateway import ingest
from apps.gateway.stages import reports as stage
from apps.telemetry import inbox, reports
from apps.telemetry.models import Report
from tests.gateway.reporting import Sensor
from tests.gateway.samples import ALERTMANAGER, FALCO, OCSF, SURICATA, WAZUH_4, WAZUH_5

pytestmark = pytest.mark.django_db
SAMPLES = {
    "alertmanager": ALERTMANAGER, "falco": FALCO, "ocsf": OCSF, "suricata": SURICATA, "wazuh": WAZUH_4,
}  # fmt: skip
FORMS = sorted(SAMPLES)


@pytest.mark.parametrize("form", FORMS)
def test_original_bytes_and_their_hash_are_kept_before_the_answer(form: str) -> None:
    sensor, body = Sensor(form), json.dumps(SAMPLES[form], indent=2).encode()
    answer = sensor.post(body)
    assert answer.status_code == 200
    assert answer.json()["sha256"] == hashlib.sha256(body).hexdigest()
    report = Report.objects.get()
    assert (bytes(report.body), report.state) == (body, "pending")
    ingest.work_off()
    report.refresh_from_db()
    assert report.state == "done"
    assert Alert.objects.get().report == report


@pytest.mark.parametrize("form", FORMS)
def test_same_bytes_are_kept_once_and_the_same_alert_in_other_bytes_is_raised_once(form: str) -> None:
    sensor, sample = Sensor(form), SAMPLES[form]
    assert len(sensor.tell(sample)) == 1
    assert sensor.post(sample).json()["duplicate"] is True
    assert sensor.tell([sample, sample]) == []
    assert Report.objects.count() == 2
    assert Alert.objects.count() == 1


def test_alert_of_both_generations_of_wazuh_is_another() -> None:
    sensor = Sensor("wazuh")
    assert len(sensor.tell(WAZUH_4)) == len(sensor.tell(WAZUH_5)) == 1


def test_two_sources_do_not_speak_for_each_other() -> None:
    first, second = Sensor("falco", "a"), Sensor("falco", "b")
    assert len(first.tell(FALCO)) == len(second.tell(FALCO)) == 1


def test_compressed_report_is_read_and_kept_as_it_was_sent() -> None:
    body = gzip.compress(json.dumps(SURICATA).encode())
    assert Sensor("suricata").post(body, **{"Content-Encoding": "gzip"}).json()["alerts"] == 1
    assert bytes(Report.objects.get().body) == body


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"", {}, 400),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b" " * (16 * 1024 * 1024 + 1)), {"Content-Encoding": "gzip"}, 413),
        (b" " * (8 * 1024 * 1024 + 1), {}, 413),
        (b"{}", {"Authorization": "Bearer src-wrong"}, 401),
        (b"{}", {"Authorization": ""}, 401),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("form", ["alertmanager", "suricata"])
def test_what_is_refused_leaves_nothing(
    form: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = Sensor(form).post(content, **headers)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")
    assert not Report.objects.exists()


def test_token_is_taken_from_the_header_alone_and_opens_its_own_format_alone() -> None:
    sensor = Sensor("falco")
    body = json.dumps(FALCO).encode()
    address = f"/v1/alerts/falco?token={sensor.text}"
    assert Client().post(address, body, content_type="application/json").status_code == 401
    sensor.form = "suricata"
    assert sensor.post(SURICATA).status_code == 403
    sensor.form = "snort"
    assert sensor.post(SURICATA).status_code == 404
    assert Client().get("/v1/alerts/falco").status_code == 405


def test_revoked_source_is_not_listened_to() -> None:
    sensor = Sensor("falco")
    assert sensor.post(FALCO).status_code == 200
    assert revoke_source(sensor.source, by=SYSTEM)
    assert not revoke_source(sensor.source, by=SYSTEM)
    assert sensor.post(FALCO).status_code == 401


def test_making_and_revoking_stand_in_the_trail_and_no_token_anywhere() -> None:
    source, text = make_source(name="edge", form="suricata", by=SYSTEM)
    revoke_source(source, by=SYSTEM)
    entries = AuditEntry.objects.filter(subject_name="edge").order_by("seq")
    assert [entry.action for entry in entries] == ["source.made", "source.revoked"]
    assert text not in str(list(entries.values()))
    assert text not in source.digest


@pytest.mark.parametrize(("name", "form"), [("", "falco"), ("x" * 65, "falco"), ("x", "snort")])
def test_source_without_a_name_or_of_an_unknown_format_is_not_made(name: str, form: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        make_source(name=name, form=form, by=SYSTEM)


@pytest.mark.parametrize(
    ("form", "status"), [(form, 503 if form == "alertmanager" else 429) for form in FORMS]
)
def test_overload_is_answered_so_that_the_sender_tries_again(
    form: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MOST_WAITING", 1)
    sensor = Sensor(form)
    assert sensor.post(SAMPLES[form]).status_code == 200
    answer = sensor.post([SAMPLES[form]])
    assert (answer.status_code, answer["Retry-After"]) == (status, "2")
    ingest.work_off()
    assert sensor.post([SAMPLES[form]]).status_code == 200


@pytest.mark.parametrize("form", FORMS)
def test_database_that_is_away_is_no_reason_to_forget(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError

    sensor = Sensor(form)
    monkeypatch.setattr(reports, "keep", away)
    answer = sensor.post(SAMPLES[form])
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")


def test_report_that_cannot_be_worked_off_holds_up_no_other_and_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = stage._opened
    bad, good = Sensor("falco", "bad"), Sensor("falco", "good")

    def poisoned(report: Any) -> Any:
        if report.source_id == bad.source.pk:
            raise RuntimeError("poison")
        return read(report)

    monkeypatch.setattr(stage, "_opened", poisoned)
    bad.post(FALCO), good.post(FALCO)
    ingest.work_off()
    assert good.source.reports.get().state == "done"
    for _ in range(inbox.ATTEMPTS - 1):
        assert bad.source.reports.get().state == "pending"
        bad.source.reports.update(worked_at="2020-01-01T00:00Z")
        ingest.work_off()
    dead = bad.source.reports.get()
    assert (dead.state, dead.error) == ("dead", "RuntimeError: poison")
    assert json.loads(bytes(dead.body)) == FALCO
    assert FeedEntry.objects.filter(kind="report.dead", subject_id=dead.pk).exists()
