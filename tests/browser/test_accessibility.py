"""No page and no dialog has a violation that axe can find, in either theme."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Place, SignIn

PAGES = [
    "/", "/runs/", "/runs/1/", "/runs/unassigned/", "/fleet/", "/orders/", "/rules/", "/audit/", "/people/",
    "/settings/", "/search/?q=drill", "/accounts/2fa/", "/accounts/2fa/webauthn/",
    "/accounts/password/change/", "/accounts/2fa/totp/activate/", "/no-such-page/",
]  # fmt: skip


def violations(page: Page) -> list[str]:
    """Every violation, with the rule and the first place."""
    found = Axe().run(page).response["violations"]
    return [f"{page.url} {one['id']}: {one['help']} at {one['nodes'][0]['html'][:160]}" for one in found]


@pytest.mark.parametrize(("theme", "width"), [("dark", 1440), ("light", 1440), ("dark", 390)])
def test_no_page_has_a_violation(place: Place, sign_in: SignIn, theme: str, width: int) -> None:
    pages = [*PAGES, f"/incidents/{place.drill_incident()}/"]
    page = sign_in("admin", theme=theme, width=width)
    found = []
    for path in pages:
        page.goto(place.address + path)
        page.wait_for_load_state("networkidle")
        found += violations(page)
    assert found == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_dialog_has_a_violation(place: Place, sign_in: SignIn, theme: str) -> None:
    pk = place.drill_incident()
    page = sign_in("admin", theme=theme)
    page.goto(f"{place.address}/incidents/{pk}/")
    found = []
    for name in (re.compile("^Annotate"), re.compile("^Close…"), re.compile("^Kill…")):
        opener = (
            page.locator("main")
            .get_by_role("button", name=name)
            .or_(page.locator("main").get_by_role("link", name=name))
        )
        opener.first.click()
        page.locator("form.dialog, .dialog").first.wait_for()
        found += violations(page)
        page.keyboard.press("Escape")
        page.locator("form.dialog").wait_for(state="detached")
    page.goto(f"{place.address}/runs/1/")
    page.locator("#p-contract button").click()
    page.locator("form.dialog").wait_for()
    found += violations(page)
    page.keyboard.press("Escape")
    page.locator("form.dialog").wait_for(state="detached")
    page.locator(".calls a.said").first.click()
    page.locator(".factbox").wait_for()
    found += violations(page)
    page.keyboard.press("Escape")
    page.locator(".factbox").wait_for(state="detached")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    found += violations(page)
    assert found == []


def test_the_peek_of_a_phone_has_no_violation(place: Place, sign_in: SignIn) -> None:
    place.drill_incident()
    page = sign_in("ana", width=390, height=844)
    page.locator(".row[data-id]").first.get_by_role("link").click()
    page.locator("#peek .minibox svg").wait_for()
    assert violations(page) == []


def test_the_sign_in_page_has_no_violation(browser: object, place: Place) -> None:
    context = browser.new_context()  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(f"{place.address}/accounts/login/")
    found = violations(page)
    context.close()
    assert found == []
