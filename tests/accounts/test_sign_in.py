"""Signing in: who came, who left and who was refused is in the trail; guessing is slowed down."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "a-tunnel-out-of-rome"


@pytest.fixture
def ana() -> User:
    return User.objects.create_user("ana", password=PASSWORD, role=Role.OPERATOR)


def sign_in(client: Client, name: str = "ana", password: str = PASSWORD):
    return client.post("/accounts/login/", {"login": name, "password": password})


def acts() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", "by_name"))


def test_the_right_password_opens_the_queue_and_is_recorded(ana: User):
    client = Client()
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get("/").status_code == 200
    assert acts() == [("session.started", "ana")]
    assert AuditEntry.objects.get().detail["methods"] == ["password"]


def test_a_wrong_password_is_refused_and_recorded(ana: User):
    client = Client()
    answer = sign_in(client, password="guess")
    assert answer.status_code == 200
    assert client.get("/").status_code == 302
    assert acts() == [("session.failed", "ana")]


def test_a_name_that_nobody_has_is_not_kept(ana: User):
    """People type passwords into the wrong field, and the trail cannot be corrected."""
    sign_in(Client(), name="correct horse battery staple")
    entry = AuditEntry.objects.get()
    assert entry.by_name == "unknown"
    assert "horse" not in str(entry.detail)


def test_signing_out_is_recorded_and_takes_effect(ana: User):
    client = Client()
    sign_in(client)
    client.post("/accounts/logout/")
    assert client.get("/").status_code == 302
    assert acts()[-1] == ("session.ended", "ana")


def test_a_link_alone_signs_nobody_out(ana: User):
    client = Client()
    sign_in(client)
    client.get("/accounts/logout/")
    assert client.get("/").status_code == 200


def test_after_five_guesses_even_the_right_password_has_to_wait(ana: User):
    client = Client()
    for _ in range(5):
        sign_in(client, password="guess")
    answer = sign_in(client)
    assert answer.status_code in (200, 429)
    assert client.get("/").status_code == 302
    assert AuditEntry.objects.latest("seq").detail["reason"] == "too many attempts"


def test_the_name_is_taken_in_any_case(ana: User):
    assert sign_in(Client(), name="ANA").status_code == 302


def test_whoever_was_sent_away_cannot_sign_in(ana: User):
    User.objects.update(is_active=False)
    client = Client()
    sign_in(client)
    assert client.get("/").status_code == 302
    assert acts()[-1][0] == "session.failed"


def test_signing_in_leads_back_to_the_page_that_was_asked_for_and_nowhere_else(ana: User):
    client = Client()
    back = {"login": "ana", "password": PASSWORD, "next": "/incidents/4/"}
    assert client.post("/accounts/login/", back).headers["Location"] == "/incidents/4/"
    away = back | {"next": "https://evil.example/"}
    assert Client().post("/accounts/login/", away).headers["Location"] == "/"


def test_with_a_second_factor_the_password_alone_opens_nothing(ana: User):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(ana, secret)
    client = Client()
    assert sign_in(client).headers["Location"] == "/accounts/2fa/authenticate/"
    assert client.get("/").status_code == 302
    assert acts() == []
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert acts() == [("session.failed", "ana")]
    assert AuditEntry.objects.get().detail["reason"] == "second factor"
    code = totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).headers["Location"] == "/"
    assert AuditEntry.objects.latest("seq").detail["methods"] == ["password", "mfa"]
    assert Authenticator.objects.filter(user=ana, type="totp").exists()
