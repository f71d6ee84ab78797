"""The main job, end to end: a run goes wrong, two people see it, one kills it, both see the proof."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Place, SignIn
from tests.browser.killing import order_the_kill
from tests.stack.running import until

LONG, LIVE = 60_000, 10_000
RING = """host => document.dispatchEvent(new CustomEvent("feed", { detail: {
  kind: "order.moved", topics: [document.body.dataset.topics], detail: { host, stage: "SURVIVED" } } }))"""


def test_an_incident_is_seen_taken_and_its_run_killed_with_proof(place: Place, sign_in: SignIn) -> None:
    ana, jonas = sign_in("ana"), sign_in("jonas")

    # It appears on both screens by itself: nobody reloads.
    for page in (ana, jonas):
        tunnel = page.locator(".row", has_text=re.compile("tunnel", re.I)).first
        pill = page.locator("#pill")
        until(
            lambda page=page, tunnel=tunnel, pill=pill: (
                tunnel.count() or (pill.is_visible() and pill.click())
            ),  # type: ignore[misc]
            seconds=60,
        )
        expect(tunnel).to_contain_text("Drill")

    # Jonas takes it; Ana's row says so.
    row = jonas.locator(".row", has_text=re.compile("tunnel", re.I)).first
    number = row.locator(".id").inner_text()
    row.click()
    jonas.keyboard.press("1")
    expect(ana.locator(".row", has_text=number)).to_contain_text("Jonas", timeout=LIVE)

    # Ana understands it: the tool call, the process and what the join rests on.
    ana.locator(".row", has_text=number).get_by_role("link").first.click()
    expect(ana.get_by_role("heading", level=1)).to_contain_text(re.compile("tunnel", re.I))
    expect(ana.locator("body")).to_contain_text("ssh -")
    expect(ana.locator("body")).to_contain_text("Model")

    # Ana kills the run: the exact targets, a reason, the name typed, held.
    jonas.locator(".row", has_text=number).get_by_role("link").first.click()
    run = ana.locator("header code, .facts code").first.inner_text()
    assert place.marked(run), "the drill's processes run"
    ana.locator(".rung.kill").first.click()
    order_the_kill(ana, run, reason="Reverse tunnel opened by the model")
    expect(ana.locator("main")).to_contain_text(re.compile("verified dead", re.I), timeout=LONG)

    # Nothing of it is left, and Jonas, who reloaded nothing, sees the proof too.
    assert place.marked(run) == []
    jonas.get_by_text("Containment", exact=False).first.click()
    expect(jonas.locator("main")).to_contain_text(re.compile("verified dead", re.I), timeout=LIVE)

    # A result is drawn with the ring itself: the page does not wait for its panel.
    host = int((ana.locator("tr[id^=target-]").first.get_attribute("id") or "").removeprefix("target-"))
    ana.evaluate(RING, host)
    expect(ana.locator("tr .tile").first).to_have_text("Survived")


def test_a_drill_is_started_from_the_hosts_page(place: Place, sign_in: SignIn) -> None:
    """After the first one: a host plays one at a time, and the page offers none until that has ended."""
    ana = sign_in("ana")
    start = ana.get_by_role("button", name="Start the drill rome")

    def offered() -> bool:
        ana.goto(f"{place.address}/fleet/1/")
        return start.is_visible()

    until(offered, seconds=60)
    start.click()
    expect(ana.get_by_label(re.compile("^Why"))).to_be_focused()
    ana.keyboard.type("the monthly check")
    ana.keyboard.press("Enter")
    run = ana.locator(".facts a.textlink code")
    run.wait_for(timeout=LONG)
    assert until(lambda: place.marked(run.inner_text()), seconds=60)
    expect(start).to_be_hidden()
