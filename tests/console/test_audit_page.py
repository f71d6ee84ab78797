"""The audit page: entries newest first, whether the chain holds, and files that can be checked elsewhere."""

import subprocess
import sys

import pytest
from django.db import connection

from apps.audit.models import AuditEntry
from apps.incidents import services
from tests.console.cast import browser, person, story

pytestmark = pytest.mark.django_db


def entries(client, **query) -> list[int]:
    return [row["entry"].seq for row in client.get("/audit/", query).context["entries"] if "entry" in row]


def busy(number: int = 60) -> None:
    it = story()
    for place in range(number):
        services.annotate(it.incident, text=f"note {place}", by=person("jonas"))


def test_pages_follow_each_other_down_to_the_first_entry():
    busy()
    otto = browser("otto")
    first = otto.get("/audit/")
    assert entries(otto) == list(range(60, 10, -1))
    second = otto.get(first.context["older_url"])
    assert [row["entry"].seq for row in second.context["entries"]] == list(range(10, 0, -1))
    assert second.context["older_url"] is None


def test_entries_are_found_by_actor_act_subject_and_time():
    it = story()
    services.take(it.incident, by=person("ana"))
    services.annotate(it.incident, text="x", by=person("jonas"))
    otto = browser("otto")
    assert entries(otto, actor="ana") == [1]
    assert entries(otto, action="incident.annotated") == [2]
    assert entries(otto, subject=it.incident.number) == [2, 1]
    assert entries(otto, subject="INC-9999") == []
    assert entries(otto, subject="no such thing") == []
    assert entries(otto, **{"from": "2999-01-01 00:00"}) == []
    assert entries(otto, to="2000-01-01") == []
    assert entries(otto, **{"from": "never"}) == [2, 1]


def test_a_check_walks_the_chain_and_says_that_it_holds():
    busy(3)
    otto = browser("otto")
    assert "Chain not checked yet" in otto.get("/audit/").content.decode()
    answer = otto.post("/audit/check/")
    assert "Chain intact to #3" in answer.content.decode()
    assert answer["HX-Refresh"] == "true"
    assert AuditEntry.objects.latest("seq").action == "audit.checked"


def test_a_changed_entry_is_named():
    busy(3)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_auditentry SET by_name = 'nobody' WHERE seq = 2")
        cursor.execute("ALTER TABLE audit_auditentry ENABLE TRIGGER USER")
    page = browser("otto").post("/audit/check/").content.decode()
    assert "Chain broken at #2" in page
    assert 'role="alert"' in page


def test_the_page_says_what_the_database_role_could_do():
    """Here, in a test, it is the owner of the tables."""
    assert "This database role could change audit rows" in browser("otto").get("/audit/").content.decode()


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_holds_without_the_server(form: str, tmp_path):
    busy(5)
    answer = browser("otto").get(f"/audit/export/?form={form}")
    assert answer.headers["Content-Disposition"].endswith(f'.{form}"')
    file = tmp_path / f"trail.{form}"
    file.write_bytes(b"".join(answer.streaming_content))
    checked = subprocess.run(
        [sys.executable, "apps/audit/verify.py", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert AuditEntry.objects.filter(action="audit.exported", by_name="otto").count() == 1


@pytest.mark.parametrize("query", ["form=exe", "", "form=csv&from=2999-01-01"])
def test_what_cannot_be_exported_is_said(query: str):
    busy(1)
    assert browser("otto").get(f"/audit/export/?{query}").status_code == 422
