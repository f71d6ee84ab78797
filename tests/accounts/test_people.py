"""People are made, changed and sent away by an admin; each time the trail says so."""

import pytest
from django.core.exceptions import ValidationError

from apps.accounts import services
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry
from apps.audit.services import By
from tests.console.cast import browser, person

pytestmark = pytest.mark.django_db
ADA = By("person", "ada")
PASSWORD = "seven-training-hosts"


def test_a_person_is_made_with_a_role_and_can_sign_in():
    made = services.create_person(
        username="Ana.Ruiz", password=PASSWORD, role="operator", by=ADA, full_name="Ana Ruiz"
    )
    assert (made.username, made.role, made.shown, made.initials) == (
        "ana.ruiz",
        Role.OPERATOR,
        "Ana Ruiz",
        "AR",
    )
    assert made.check_password(PASSWORD)
    assert AuditEntry.objects.get().action == "person.created"


@pytest.mark.parametrize(
    ("username", "password", "role"),
    [
        ("mei", "short", "viewer"),
        ("mei", "password12345", "viewer"),
        ("", PASSWORD, "viewer"),
        ("<script>", PASSWORD, "viewer"),
        ("ada", PASSWORD, "viewer"),
        ("mei", PASSWORD, "emperor"),
    ],
)
def test_a_weak_password_or_a_name_that_is_taken_makes_nobody(username: str, password: str, role: str):
    person("ada")
    with pytest.raises((ValidationError, ValueError)):
        services.create_person(username=username, password=password, role=role, by=ADA)
    assert User.objects.count() == 1
    assert not AuditEntry.objects.exists()


def test_a_role_changes_at_once():
    ana, client = person("ana"), browser("ana")
    assert client.get("/audit/").status_code == 403
    services.change_role(ana, role="auditor", by=person("ada"))
    assert client.get("/audit/").status_code == 200
    entry = AuditEntry.objects.get()
    assert (entry.detail["before"], entry.detail["after"], entry.by_name) == ("operator", "auditor", "ada")


def test_the_same_role_again_is_no_act():
    services.change_role(person("ana"), role="operator", by=person("ada"))
    assert not AuditEntry.objects.exists()


def test_the_last_admin_cannot_be_lost():
    ada = person("ada")
    for act in (
        lambda: services.change_role(ada, role="viewer", by=ada),
        lambda: services.set_active(ada, active=False, by=ada),
    ):
        with pytest.raises(services.Refused, match="last admin"):
            act()
    assert User.objects.get(username="ada").may("people")


def test_whoever_is_sent_away_loses_sessions_at_once():
    client = browser("ana")
    assert client.get("/").status_code == 200
    services.set_active(person("ana"), active=False, by=person("ada"))
    assert client.get("/").status_code == 302
    assert AuditEntry.objects.get().detail["sessions_ended"] == 1
    services.set_active(person("ana"), active=True, by=person("ada"))
    assert client.get("/").status_code == 302  # the old session does not come back


def test_an_admin_does_it_all_in_the_browser():
    client = browser("ada")
    made = {"username": "tomas", "full_name": "Tomás Silva", "role": "responder", "password": PASSWORD}
    assert client.post("/people/", made).status_code == 302
    tomas = User.objects.get(username="tomas")
    assert client.post(f"/people/{tomas.pk}/", {"role": "operator"}).status_code == 302
    assert client.post(f"/people/{tomas.pk}/", {"active": "off"}).status_code == 302
    tomas.refresh_from_db()
    assert (tomas.role, tomas.is_active) == ("operator", False)


def test_what_was_refused_is_said_and_what_was_typed_is_kept_except_for_the_password():
    answer = browser("ada").post("/people/", {"username": "tomas", "role": "viewer", "password": "x"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "too short" in page
    assert 'value="tomas"' in page
    assert 'value="x"' not in page
