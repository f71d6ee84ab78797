"""Only a live token of an active person opens the API; a cookie never does."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.accounts.services import revoke_token
from tests.api.script import ROOT, Script, script_of
from tests.response.cast import person

pytestmark = pytest.mark.django_db


def test_a_token_lets_in_its_person_and_is_noted_as_used() -> None:
    user = person("viewer")
    answer = script_of(user).get("/me")
    assert answer.json() == {"username": "ana", "role": "viewer", "rights": ["view"]}
    assert ApiToken.objects.get().last_used_at is not None


@pytest.mark.parametrize("token", ["", "snt_unknown", "\x00", "Bearer", "x" * 5000])
def test_an_unknown_token_is_refused_with_the_scheme_to_use(token: str) -> None:
    answer = Script(token).get("/me")
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_an_expired_and_a_dismissed_persons_token_open_nothing() -> None:
    user = person("viewer")
    script = script_of(user)
    token = ApiToken.objects.get()
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert script.get("/me").status_code == 401
    ApiToken.objects.update(expires_at=None)
    assert script.get("/me").status_code == 200
    type(user).objects.update(is_active=False)
    assert script.get("/me").status_code == 401
    type(user).objects.update(is_active=True)
    revoke_token(token, by=user)
    assert script.get("/me").status_code == 401


def test_a_signed_in_browser_is_nobody_to_the_api() -> None:
    client = Client()
    client.force_login(person("admin"))
    assert client.get(f"{ROOT}/me").status_code == 401
    assert client.post(f"{ROOT}/audit/checks").status_code == 401


def test_a_role_that_changes_counts_from_the_next_request_on() -> None:
    user = person("auditor")
    script = script_of(user)
    assert script.get("/audit/entries").status_code == 200
    type(user).objects.update(role="viewer")
    assert script.get("/audit/entries").status_code == 403
