"""The first start makes one admin and says the password once; every later start changes nothing."""

import io
import json
import socket

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.fleet.models import EnrolmentToken
from apps.fleet.services import token_is_open
from tests.console.cast import person, story

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_password_given(monkeypatch, settings) -> None:
    monkeypatch.delenv("SENTINEL_ADMIN_PASSWORD", raising=False)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def bootstrap(*arguments: str) -> dict:
    out = io.StringIO()
    call_command("bootstrap", *arguments, stdout=out)
    assert out.getvalue().count("\n") == 1
    return json.loads(out.getvalue())


def test_the_first_start_makes_an_admin_who_can_sign_in():
    said = bootstrap()
    admin = User.objects.get()
    assert (said["created"], said["username"]) == (True, "admin")
    assert admin.check_password(said["password"])
    assert admin.may("people")
    assert AuditEntry.objects.get().action == "person.created"


def test_later_starts_change_nothing_and_tell_no_password():
    first = bootstrap()
    assert bootstrap() == {"created": False, "username": "admin", "password": None, "enrolment_token": None}
    assert User.objects.get().check_password(first["password"])


def test_a_given_password_is_used_and_not_told(monkeypatch):
    monkeypatch.setenv("SENTINEL_ADMIN_PASSWORD", "seven-training-hosts")
    said = bootstrap()
    assert said["password"] is None
    assert User.objects.get().check_password("seven-training-hosts")


def test_a_weak_password_stops_the_start_with_the_reason(monkeypatch):
    monkeypatch.setenv("SENTINEL_ADMIN_PASSWORD", "short")
    with pytest.raises(CommandError, match=r"SENTINEL_ADMIN_PASSWORD is refused: .*too short"):
        bootstrap()
    assert not User.objects.exists()


def test_where_people_are_no_admin_is_made():
    person("ana")
    assert bootstrap()["created"] is False
    assert User.objects.count() == 1


def test_a_token_is_made_only_when_asked_for_and_nobody_speaks_for_this_machine():
    assert bootstrap()["enrolment_token"] is None
    token = bootstrap("--enrol")["enrolment_token"]
    assert token_is_open(token)
    assert token not in str(list(EnrolmentToken.objects.values()))
    story(socket.gethostname())
    assert bootstrap("--enrol")["enrolment_token"] is None
