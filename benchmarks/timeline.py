"""How long a zoom of the lanes takes over ten thousand tool calls: from the press until the frame is drawn.

    python -m benchmarks.timeline [calls] [rounds]

A real Chromium looks at an incident whose run made so many calls within five minutes; a real uvicorn and
PostgreSQL answer. Each press asks the server for the stretch that is then looked at. Beside it, in the same
run and the same browser, on a page with nothing but Plotly: a redraw of the very same figure, and a redraw of
one bar a call, which is what is not done.
"""

import json
import sys
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from benchmarks.ground import ground, percentile, spread
from benchmarks.screen import chromium

SECONDS = 280
PLOTLY = "static/vendor/plotly/plotly-cartesian-4.1.1.min.js"
PRESS = """(name) => new Promise((done) => {
  const began = performance.now();
  document.addEventListener("drawn", () => requestAnimationFrame(() => setTimeout(() =>
    done(performance.now() - began))), { once: true });
  document.querySelector(`[data-zoom="${name}"]`).click();
})"""
REDRAW = """([data, layout]) => new Promise((done) => {
  const began = performance.now();
  layout.xaxis.range = [...layout.xaxis.range];
  Plotly.react("bare", structuredClone(data), structuredClone(layout), { displayModeBar: false }).then(() =>
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))));
})"""
DRAWN = """() => {
  const plot = document.getElementById("lanes");
  const points = plot.data.reduce((sum, trace) => sum + (trace.x?.length ?? 0), 0);
  return { data: plot.data, layout: plot.layout, points };
}"""
ANSWERS = """() => performance.getEntriesByType("resource").filter((one) => one.name.includes("/figure/"))
  .map((one) => [one.responseEnd - one.requestStart, one.decodedBodySize])"""


def main(calls: int, rounds: int) -> None:
    with ground():
        from django.core.management import call_command

        from tests.live import web

        call_command("collectstatic", interactive=False, verbosity=0)
        incident = fill(calls)
        with web() as server, chromium() as browser:
            page = lanes(browser, server, incident)
            print(f"{calls:,} calls, {rounds} presses each, milliseconds, p50 / p99 / max\n")
            print(
                "| the lanes show | points | until the frame | the answer alone | KB | bare redraw | ratio |"
            )
            print("|---|---|---|---|---|---|---|")
            line("all calls, counted", page, browser, ["out", "in"], rounds)
            nearer(page)
            line("single calls", page, browser, ["later", "earlier"], rounds)
            bars = [one_bar_a_call(calls)]
            took = redraws(browser, bars, plain_layout(), rounds)
            print(f"| not done: one bar a call | {calls:,} | | | | {spread(took)} | |")


def fill(calls: int) -> int:
    """One incident, and a run that made `calls` calls around it."""
    from apps.telemetry.models import ToolCall
    from tests.console.cast import story

    it = story()
    ToolCall.objects.bulk_create(
        (
            ToolCall(
                run=it.run, host=it.host, episode=it.call.episode, trace_id=uuid.uuid4().hex,
                span_id=uuid.uuid4().hex[:16], name="bash", arguments_captured=True, received_at=it.at,
                arguments=json.dumps({"command": f"python -m pytest tests/unit/test_{number}.py"}),
                started_at=it.at + timedelta(seconds=-50 + SECONDS * number / calls),
                ended_at=it.at + timedelta(seconds=-50 + SECONDS * (number + 0.6) / calls),
            )
            for number in range(calls)
        ),
        batch_size=2_000,
    )  # fmt: skip
    return it.incident.pk


def lanes(browser: Any, server: Any, incident: int) -> Any:
    """Signed in, at the incident, its lanes drawn."""
    from tests.live import session_of
    from tests.response.cast import person

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session_of(person()), "url": server.address}])
    page = context.new_page()
    page.goto(f"{server.address}/incidents/{incident}/")
    page.wait_for_function("() => document.getElementById('lanes')?.data?.length")
    return page


def nearer(page: Any) -> None:
    """Zoomed in until no call is counted any more."""
    for _ in range(10):
        page.evaluate(PRESS, "in")
        if "counted" not in page.locator(".lanenames").inner_text():
            return
    raise AssertionError("still counted")


def line(name: str, page: Any, browser: Any, buttons: list[str], rounds: int) -> None:
    """One row of the table: presses in turn, so that the same stretches come back."""
    page.evaluate("performance.clearResourceTimings()")
    took = [page.evaluate(PRESS, buttons[turn % len(buttons)]) for turn in range(rounds + 2)][2:]
    answers = page.evaluate(ANSWERS)[-rounds:]
    seen = page.evaluate(DRAWN)
    bare = redraws(browser, seen["data"], seen["layout"], rounds)
    ratio = percentile(took, 0.5) / percentile(bare, 0.5)
    size = max(size for _, size in answers) / 1000
    print(
        f"| {name} | {seen['points']:,} | {spread(took)} | {spread([ms for ms, _ in answers])} | {size:.0f} |"
        f" {spread(bare)} | {ratio:.1f} |",
        flush=True,
    )


def redraws(browser: Any, data: Iterable[Any], layout: dict[str, Any], rounds: int) -> list[float]:
    """The same figure on a page with nothing else."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_content('<!doctype html><meta charset="utf-8"><div id="bare"></div>')
    page.add_script_tag(path=PLOTLY)
    given = [list(data), layout]
    took = [page.evaluate(REDRAW, given) for _ in range(rounds + 2)][2:]
    context.close()
    return took


def one_bar_a_call(calls: int) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "base": [number * SECONDS * 1000 / calls for number in range(calls)],
        "x": [SECONDS * 600 / calls] * calls,
        "y": [number % 6 for number in range(calls)],
        "hovertext": [f"python -m pytest tests/unit/test_{number}.py" for number in range(calls)],
    }


def plain_layout() -> dict[str, Any]:
    return {"xaxis": {"range": [0, SECONDS * 1000]}, "height": 400, "barmode": "overlay"}


if __name__ == "__main__":
    main(*([int(given) for given in sys.argv[1:]] + [10_000, 40][len(sys.argv) - 1 :]))
