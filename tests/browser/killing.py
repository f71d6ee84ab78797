"""How a person kills a run: the exact targets, a reason, the name typed, and the button held."""

import re

from playwright.sync_api import Page, expect


def hold(page: Page) -> None:
    """The kill button is held down until the order has gone, however slow the machine is."""
    button = page.locator("button.hold")
    expect(button).to_be_enabled()
    box = button.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_url(re.compile(r"/orders/\d+/"), timeout=60_000)
    page.mouse.up()


def order_the_kill(page: Page, run: str, *, reason: str) -> None:
    """The dialog is open on Kill; afterwards the order's page is."""
    dialog = page.locator("form.dialog")
    expect(dialog).to_contain_text(run)
    dialog.get_by_label(re.compile("^Reason")).fill(reason)
    dialog.locator("input[name=typed_name]").fill(run)
    hold(page)
