"""Every page at three widths: nothing is cut off, nothing covers anything, and a phone can do the work."""

from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Place, SignIn
from tests.stack.running import until

PAGES = [
    "/", "/runs/", "/runs/1/", "/runs/unassigned/", "/fleet/", "/fleet/1/", "/orders/", "/rules/", "/audit/",
    "/people/", "/settings/", "/search/?q=drill", "/accounts/2fa/", "/accounts/password/change/",
    "/no-such-page/",
]  # fmt: skip
SIZES = {390: 844, 1024: 768, 1440: 900}
SIDEWAYS = """() => [document.documentElement, document.querySelector("main")]
  .map((item) => item ? item.scrollWidth - item.clientWidth : 0)"""
BARS = """() => [...document.querySelectorAll("#lanes .barlayer .trace .point path")]
  .map((bar) => bar.getBoundingClientRect()).filter((box) => box.width)
  .map(({ left, right, top, bottom }) =>
    ({ left, right, top: Math.round(top), bottom: Math.round(bottom) }))"""


def each(page: Page, selector: str, ask: str) -> list[Any]:
    """What `ask`, a JavaScript function, says of each item, all in the same moment.

    The page renews its panels while it is looked at: between finding an item and asking it, as locators do,
    it may have been replaced, and then it has no size.
    """
    found: list[Any] = page.evaluate(f"(name) => [...document.querySelectorAll(name)].map({ask})", selector)
    return found


def boxes(page: Page, *selectors: str) -> list[dict[str, float]]:
    """Where they stand, all in the same moment."""
    ask = "(names) => names.map((name) => document.querySelector(name).getBoundingClientRect().toJSON())"
    found: list[dict[str, float]] = page.evaluate(ask, list(selectors))
    return found


def drawn(page: Page, address: str) -> None:
    """The page with its figure."""
    page.goto(address)
    page.locator("#lanes .main-svg").first.wait_for()
    page.locator("#lanes .barlayer .point").first.wait_for(state="attached")


def joined_call(place: Place) -> None:
    """The drill has come as far as an incident that a tool call is joined to."""
    ask = (
        "from apps.attribution.models import Attribution\n"
        "print(Attribution.objects.filter(tool_call__isnull=False).count())"
    )
    until(lambda: int(place.manage(ask)), seconds=90)


@pytest.mark.parametrize("width", SIZES)
def test_no_page_scrolls_sideways(place: Place, sign_in: SignIn, width: int) -> None:
    pages = [*PAGES, f"/incidents/{place.drill_incident()}/"]
    page = sign_in("admin", width=width, height=SIZES[width])
    found = {}
    for path in pages:
        page.goto(place.address + path)
        page.wait_for_load_state("networkidle")
        if any(too_wide := page.evaluate(SIDEWAYS)):
            found[path] = too_wide
    assert found == {}


def test_on_a_phone_a_row_opens_on_a_page_of_its_own_with_take(place: Place, sign_in: SignIn) -> None:
    place.drill_incident()
    page = sign_in("jonas", width=390, height=844)
    number = page.locator(".row[data-id]").first.get_attribute("data-id")
    row = page.locator(f'.row[data-id="{number}"]')  # others may come before it meanwhile
    title = row.get_by_role("link").inner_text()
    row.get_by_role("link").click()
    peek = page.locator("#peek")
    expect(peek.get_by_role("heading", level=2)).to_have_text(title)
    expect(page.locator(".queue")).to_have_attribute("inert", "")
    take = peek.get_by_role("button", name="Take")
    expect(take).to_be_in_viewport()
    (width,) = each(page, "#peek #act-take", "(item) => item.clientWidth")
    assert width > 300
    take.click()
    expect(peek.get_by_role("button", name="Give back")).to_be_visible()
    peek.get_by_role("button", name="Back to the queue").click()
    expect(peek).to_be_hidden()
    expect(page.locator(".row[data-id]", has_text=title).first.locator(".avatar")).to_have_attribute(
        "title", "Jonas"
    )


@pytest.mark.parametrize("name", ["mei", "ana"])
def test_on_a_phone_the_rows_of_the_queue_stand_in_line(place: Place, sign_in: SignIn, name: str) -> None:
    place.drill_incident()
    page = sign_in(name, width=390, height=844)
    rows = page.locator(".row[data-id]")
    rows.first.wait_for()
    lefts = each(page, ".row[data-id] .cut[href]", "(item) => Math.round(item.getBoundingClientRect().left)")
    assert len(set(lefts)) == 1
    assert max(each(page, ".row[data-id] .sla", "(item) => item.getBoundingClientRect().right")) < 390


def test_a_figure_wider_than_a_phone_scrolls_in_its_own_box_beside_its_names(
    place: Place, sign_in: SignIn
) -> None:
    incident = place.drill_incident()
    joined_call(place)
    page = sign_in("mei", width=390, height=844)
    drawn(page, f"{place.address}/incidents/{incident}/")
    (sizes,) = each(page, ".plotscroll", "(item) => [item.scrollWidth, item.clientWidth, item.scrollLeft]")
    assert sizes[0] > 700
    assert sizes[1] < 390
    assert sizes[2] > 0, "it opens at what happened, not at the empty beginning"
    before = boxes(page, ".lanenames")
    each(page, ".plotscroll", "(item) => { item.scrollLeft = item.scrollWidth; }")
    assert boxes(page, ".lanenames") == before


def test_no_bar_of_a_figure_covers_another(place: Place, sign_in: SignIn) -> None:
    incident = place.drill_incident()
    joined_call(place)
    page = sign_in("mei")
    drawn(page, f"{place.address}/incidents/{incident}/")
    bars: list[dict[str, Any]] = page.evaluate(BARS)
    assert len(bars) > 5
    shared = [
        (one, other)
        for one, other in combinations(bars, 2)
        if min(one["bottom"], other["bottom"]) > max(one["top"], other["top"])
        # the shortest are drawn wider than they were: 1/400 of the window
        and min(one["right"], other["right"]) - max(one["left"], other["left"]) >= 4
    ]
    assert not shared


def test_a_runs_figure_begins_with_the_run(place: Place, sign_in: SignIn) -> None:
    place.drill_incident()
    page = sign_in("mei", width=390, height=844)
    drawn(page, f"{place.address}/runs/1/")
    (plot,) = boxes(page, "#lanes")
    first = min(bar["left"] for bar in page.evaluate(BARS))
    assert (first - plot["left"]) / plot["width"] < 0.4


def test_on_a_phone_the_log_shows_what_the_calls_asked_for(place: Place, sign_in: SignIn) -> None:
    place.drill_incident()
    page = sign_in("mei", width=390, height=844)
    page.goto(f"{place.address}/runs/1/")
    page.locator(".calls code").first.wait_for()
    shown = each(page, ".calls code", "(item) => [item.innerText, item.clientWidth, item.scrollWidth]")
    for text, width, needed in shown:
        assert len(text) > 4
        assert "command" not in text
        assert needed <= width
        assert width > 250


@pytest.mark.parametrize("width", [390, 1440])
def test_a_long_name_of_an_agents_choosing_covers_nothing(place: Place, sign_in: SignIn, width: int) -> None:
    made = place.manage(
        "from tests.console.cast import story\n"
        f"it = story('gpu-' + 'x' * 80 + '{width}', text='A' * 190 + ' <b>bold</b>')\n"
        "print(it.incident.pk, it.run.pk, it.host.pk)"
    )
    incident, run, host = made.split()[-3:]
    page = sign_in("jonas", width=width, height=SIZES[width])
    for path in (f"/incidents/{incident}/", f"/runs/{run}/", f"/fleet/{host}/", "/"):
        page.goto(place.address + path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(SIDEWAYS) == [0, 0], path
    page.goto(f"{place.address}/incidents/{incident}/")
    (head,) = each(page, "h1", "(item) => { const range = document.createRange();"
        " range.selectNodeContents(item); const box = range.getBoundingClientRect();"
        " return [box.right, box.bottom]; }")  # fmt: skip
    (take,) = boxes(page, "#act-take")
    assert head[0] <= take["left"] or head[1] <= take["top"]


def test_a_title_that_is_cut_is_told_in_full(place: Place, sign_in: SignIn) -> None:
    place.manage(f"from tests.console.cast import story\nstory('gpu-cut', text='{'B' * 150}')")
    page = sign_in("mei", width=1024, height=768)
    title = page.locator(".row .cut", has_text="BBBB").first
    title.hover()
    expect(title).to_have_attribute("title", "B" * 150)


@pytest.mark.parametrize("width", [390, 1024])
def test_the_docked_ladder_stands_under_the_page_and_not_over_it(
    place: Place, sign_in: SignIn, width: int
) -> None:
    page = sign_in("ana", width=width, height=SIZES[width])
    page.goto(f"{place.address}/incidents/{place.drill_incident()}/")
    page.locator("#act-kill").wait_for()
    ladder, main, pause, kill = boxes(page, "aside > .contain", "main", "#act-pause", "#act-kill")
    assert main["bottom"] <= ladder["top"] + 1
    assert kill["left"] - pause["right"] >= 24
    for rung in (pause, kill):
        assert ladder["top"] <= rung["top"]
        assert rung["bottom"] <= ladder["bottom"]


def test_on_a_phone_a_role_can_be_read_and_changed(place: Place, sign_in: SignIn) -> None:
    page = sign_in("admin", width=390, height=844)
    page.goto(f"{place.address}/people/")
    role = page.get_by_role("combobox", name="Role of jonas")
    assert role.evaluate("(item) => item.clientWidth") > 100
    role.select_option("auditor")
    page.get_by_role("button", name="Change the role of jonas").click()
    expect(page.get_by_role("combobox", name="Role of jonas")).to_have_value("auditor")
    page.get_by_role("combobox", name="Role of jonas").select_option("responder")
    page.get_by_role("button", name="Change the role of jonas").click()


def test_what_stands_before_signing_in_speaks_as_the_console_does(place: Place, sign_in: SignIn) -> None:
    page = sign_in("mei", width=390, height=844)
    heads = {
        "/accounts/2fa/": "Second factor",
        "/accounts/2fa/webauthn/": "Passkeys and security keys",
        "/accounts/2fa/totp/activate/": "Confirm it is you",
        "/accounts/password/change/": "Password",
    }
    for path, head in heads.items():
        page.goto(place.address + path)
        expect(page.get_by_role("heading", level=1)).to_have_text(head)
    page.goto(f"{place.address}/accounts/2fa/totp/activate/")
    page.locator("input[name=password]").fill("a-long-enough-phrase")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up an authenticator app")
    assert page.locator("#authenticator_secret").input_value()
