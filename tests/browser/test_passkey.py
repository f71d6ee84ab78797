"""Passkeys, by the browser's own authenticator of tests: added, used alone, renamed and removed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Place, SignIn

AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def jonas(sign_in: SignIn) -> Iterator[Page]:
    page = sign_in("jonas")
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    yield page
    session.detach()


def sign_out(page: Page, place: Place) -> None:
    page.goto(f"{place.address}/accounts/logout/")
    page.locator("main form button").first.click()
    page.goto(f"{place.address}/accounts/login/")


def test_a_passkey_signs_in_alone_until_it_is_removed(place: Place, jonas: Page) -> None:
    jonas.goto(f"{place.address}/accounts/2fa/webauthn/add/")
    jonas.locator("input[name=password]").fill(PASSWORD)  # who changes the sign-in is asked again
    jonas.get_by_role("button", name="Confirm").click()
    jonas.get_by_label("Name, to tell it from your others").fill("laptop")
    jonas.locator("input[name=passwordless]").check()
    jonas.get_by_role("button", name="Add").click()
    expect(jonas.get_by_role("heading", level=1)).to_have_text("Recovery codes")

    sign_out(jonas, place)
    jonas.get_by_role("button", name="Use a passkey").click()
    expect(jonas.get_by_role("heading", name="Queue")).to_be_visible()

    jonas.goto(f"{place.address}/accounts/2fa/webauthn/")
    expect(jonas.locator("tbody tr")).to_contain_text("laptop")
    jonas.get_by_role("link", name="Rename laptop").click()
    jonas.get_by_role("link", name="Use a security key").click()  # and may answer with it
    jonas.get_by_role("button", name="Use a security key").click()
    jonas.get_by_label("Name").fill("work laptop")
    jonas.get_by_role("button", name="Save").click()
    expect(jonas.locator("tbody tr")).to_contain_text("work laptop")
    jonas.get_by_role("link", name="Remove work laptop").click()
    jonas.get_by_role("button", name="Remove").click()
    expect(jonas.get_by_text("work laptop")).to_have_count(0)

    sign_out(jonas, place)
    jonas.get_by_role("button", name="Use a passkey").click()
    expect(jonas.locator("main")).to_contain_text("passkey")
    expect(jonas.get_by_role("heading", name="Queue")).to_have_count(0)
