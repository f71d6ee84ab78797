"""A script's token: shown once, kept as a hash, revoked at once, and nobody's but its owner's."""

import pytest

from apps.accounts.models import ApiToken
from apps.accounts.tokens import use_token
from apps.audit.models import AuditEntry
from tests.console.cast import browser, person

pytestmark = pytest.mark.django_db


def made(client, name: str = "export", days: str = "30") -> str:
    page = client.post("/settings/tokens/", {"name": name, "days": days}).content.decode()
    return page.split('aria-label="The token">')[1].split("<")[0]


def test_the_text_is_shown_once_and_kept_nowhere():
    client = browser("ana")
    text = made(client)
    assert use_token(text).user == person("ana")
    assert text not in client.get("/settings/").content.decode()
    assert text not in str(list(ApiToken.objects.values()))
    assert text not in str(list(AuditEntry.objects.values()))


def test_a_revoked_token_opens_nothing():
    client = browser("ana")
    text = made(client)
    client.post(f"/settings/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert use_token(text) is None
    assert [entry.action for entry in AuditEntry.objects.order_by("seq")] == ["token.made", "token.revoked"]


def test_nobody_sees_or_revokes_the_token_of_another():
    text = made(browser("ana"))
    jonas = browser("jonas")
    assert jonas.post(f"/settings/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404
    assert "export" not in jonas.get("/settings/").content.decode().split('id="tokens"')[1]
    assert use_token(text) is not None


@pytest.mark.parametrize(("name", "days"), [("", "30"), ("x" * 65, "30"), ("fine", "9999"), ("fine", "-1")])
def test_a_token_needs_a_name_and_an_end(name: str, days: str):
    assert browser("ana").post("/settings/tokens/", {"name": name, "days": days}).status_code == 422
    assert not ApiToken.objects.exists()
