"""Lanes of ten thousand tool calls: counted, one by one after zooming in, each leading to its evidence."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Place, SignIn

CALLS = 10_000
MAKE = f"""
import json
from datetime import timedelta
from apps.telemetry.models import ToolCall
from tests.console.cast import story
it = story("gpu-timeline")
ToolCall.objects.bulk_create([
    ToolCall(
        run=it.run, host=it.host, trace_id=f"{{n:032x}}", span_id="f" * 16, name="bash", received_at=it.at,
        arguments=json.dumps({{"command": f"echo call-{{n}}"}}), arguments_captured=True,
        started_at=it.at + timedelta(seconds=-50 + 150 * n / {CALLS}),
        ended_at=it.at + timedelta(seconds=-50 + 150 * n / {CALLS}, milliseconds=15),
    )
    for n in range({CALLS})
], batch_size=2_000)
print(it.incident.pk, it.run.pk, it.alerts[0].pk, it.process.pk)
"""
SEEN = """() => document.getElementById("lanes").data.flatMap((trace) => (trace.yaxis ?? "y") !== "y" ? [] :
  (trace.hovertext ?? []).map((said, at) => ({ said, ref: trace.customdata?.[at] ?? "" })))"""
NEXT = """() => {
  window.next = new Promise((done) => document.addEventListener("drawn", done, { once: true }));
}"""
# A point of a trace, by what it stands for, in pixels of the screen
SPOT = """(ref) => {
  const plot = document.getElementById("lanes");
  const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
  for (const trace of plot.data) {
    const at = (trace.customdata ?? []).indexOf(ref);
    if (at < 0) continue;
    const y = plot._fullLayout[(trace.yaxis ?? "y").replace("y", "yaxis")];
    const x = plot._fullLayout.xaxis;
    const moment = trace.base ? trace.base[at] : trace.x[at];
    const top = plot.getBoundingClientRect().top;
    return { x: box.left + x.d2p(moment) + (trace.base ? 3 : 0), y: top + y._offset + y.l2p(trace.y[at]) };
  }
  return null;
}"""


@pytest.fixture(scope="module")
def made(place: Place) -> list[str]:
    """Incident, run, alert and process of a story with ten thousand calls."""
    return place.manage(MAKE).split()[-4:]


def opened(page: Page, place: Place, path: str) -> None:
    page.goto(place.address + path)
    page.locator("#lanes .main-svg").first.wait_for()
    page.wait_for_function("() => document.getElementById('lanes').data?.length")


def zoomed(page: Page, button: str) -> list[dict[str, Any]]:
    """What stands in the lane of calls after a press of that button."""
    page.evaluate(NEXT)
    page.get_by_role("group", name="Zoom").get_by_role("button", name=button, exact=True).click()
    page.evaluate("() => window.next")
    found: list[dict[str, Any]] = page.evaluate(SEEN)
    return found


def counted(seen: list[dict[str, Any]]) -> int:
    said = [re.match(r"([\d,]+) began in ", one["said"]) for one in seen]
    return sum(int(one[1].replace(",", "")) for one in said if one)


@pytest.mark.parametrize("name", ["incidents", "runs"])
def test_calls_are_counted_at_first_and_drawn_one_by_one_after_zooming_in(
    place: Place, sign_in: SignIn, made: list[str], name: str
) -> None:
    page = sign_in("mei")
    opened(page, place, f"/{name}/{made[0] if name == 'incidents' else made[1]}/")
    seen = page.evaluate(SEEN)
    assert counted(seen) == CALLS + 1
    assert len(seen) < 200
    for _ in range(8):
        seen = zoomed(page, "Zoom in")
        if not counted(seen):
            break
    calls = [one for one in seen if one["ref"].startswith("call:")]
    span = page.evaluate("document.getElementById('lanes').layout.xaxis.range")
    inside = place.manage(
        "from datetime import datetime, UTC\nfrom apps.telemetry.models import ToolCall\n"
        f"span = [datetime.fromisoformat(at).replace(tzinfo=UTC) for at in {span!r}]\n"
        f"rows = ToolCall.objects.filter(run={made[1]}, span_id='{'f' * 16}')\n"
        "print(rows.filter(started_at__range=span).count())"
    )
    drawn = [one for one in calls if "echo call-" in one["said"]]
    assert 10 < int(inside) <= 400
    assert abs(len(drawn) - int(inside)) <= 2  # those that began just before reach in
    assert counted(zoomed(page, "Zoom out")) > 400


def test_a_drag_and_the_wheel_ask_for_the_stretch_that_is_looked_at(
    place: Place, sign_in: SignIn, made: list[str]
) -> None:
    page = sign_in("mei")
    opened(page, place, f"/incidents/{made[0]}/")
    box = page.locator("#lanes .nsewdrag").first.bounding_box()
    assert box
    before = page.evaluate("document.getElementById('lanes').layout.xaxis.range[0]")
    page.evaluate(NEXT)
    page.mouse.move(box["x"] + 500, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 20, steps=4)
    page.mouse.up()
    page.evaluate("() => window.next")
    moved = page.evaluate("document.getElementById('lanes').layout.xaxis.range[0]")
    assert moved > before
    page.evaluate(NEXT)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.evaluate("() => window.next")
    assert page.evaluate("document.getElementById('lanes').layout.xaxis.range[0]") > moved
    assert "from=" in str(page.locator("#lanes").get_attribute("data-src"))


def test_a_click_leads_to_the_evidence_on_the_page(place: Place, sign_in: SignIn, made: list[str]) -> None:
    page = sign_in("mei")
    opened(page, place, f"/incidents/{made[0]}/")
    spot = page.evaluate(SPOT, f"alert:{made[2]}")
    page.mouse.click(spot["x"], spot["y"])
    shown = page.locator(f'[data-about="alert:{made[2]}"]').first
    expect(shown).to_be_in_viewport()
    expect(shown.locator("summary")).to_be_focused()
    page.evaluate("scrollTo(0, 0); document.querySelector('main').scrollTo(0, 0)")
    spot = page.evaluate(SPOT, f"process:{made[3]}")
    page.mouse.click(spot["x"] + 40, spot["y"])
    expect(page.locator(f'[data-about="process:{made[3]}"]').first).to_be_in_viewport()


def test_a_call_that_is_not_on_the_page_opens_in_a_dialog_also_from_the_keyboard(
    place: Place, sign_in: SignIn, made: list[str]
) -> None:
    page = sign_in("mei")
    opened(page, place, f"/incidents/{made[0]}/")
    for _ in range(8):
        if not counted(zoomed(page, "Zoom in")):
            break
    page.get_by_text("The lanes as a table").focus()
    page.keyboard.press("Enter")
    line = page.locator("#lanes-table button", has_text="echo call-").first
    words = line.inner_text()
    line.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("pre")).to_contain_text(words)
    with page.expect_download() as coming:
        dialog.get_by_role("link", name="Download the original, unaltered").click()
    assert coming.value.suggested_filename.startswith("call-")
    page.keyboard.press("Escape")
    expect(line).to_be_focused()


def test_calls_are_paged_and_filtered_without_losing_the_page(
    place: Place, sign_in: SignIn, made: list[str]
) -> None:
    page = sign_in("mei")
    page.goto(f"{place.address}/runs/{made[1]}/")
    page.locator(".calls li").first.wait_for()
    first = page.locator(".calls li").first.get_attribute("data-about")
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("button", name="Newest")).to_be_visible()
    assert page.locator(".calls li").first.get_attribute("data-about") != first
    page.get_by_role("searchbox", name="Text in the call").fill("call-777")
    expect(page.locator(".calls li")).to_have_count(11)  # 777 and 7770 to 7779
    page.get_by_label("Only with alerts").check()
    expect(page.get_by_text("No call like that")).to_be_visible()
    page.get_by_role("searchbox", name="Text in the call").fill("")
    expect(page.locator(".calls li .why a")).to_have_count(1)
    page.locator(".calls li .why a").click()
    expect(page.locator(f'[data-about="alert:{made[2]}"]').first).to_be_in_viewport()
