"""How long until a row stands in a browser: from a batch that is sent, and from a process that starts.

    python -m benchmarks.screen [rows]

A real Chromium looks at the queue; a real uvicorn, a Celery worker with two processes and, for the second
figure, a host agent with the kernel's process events stand behind it. Light load: one incident every half
second. Each time a new row; the page itself notes when it was put into its list (before the next frame is
painted, which takes up to 17 ms more and is the screen's). Beside it, in the same run: a bare round through
the same browser, one message on a WebSocket of nothing but `websockets` until it is put into a list.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.ground import ground, spread
from benchmarks.ingest import alert, broker, worker

PAUSE_S = 0.5
TUNNEL = ("ssh", "-N", "-R", "9001:127.0.0.1:8000", "eve@198.51.100.7")
NOTE = """
window.noted = [];
const known = new Set();
new MutationObserver(changes => {
  for (const change of changes) for (const node of change.addedNodes) {
    if (!node.matches?.(%r) || known.has(node.id)) continue;
    if (node.id) known.add(node.id);  // drawn anew with every change: the first time counts
    window.noted.push(performance.timeOrigin + performance.now());
  }
}).observe(document.body, { childList: true, subtree: true });
"""
BARE = """
<!doctype html><meta charset="utf-8"><ul></ul><script>
new WebSocket("ws://127.0.0.1:%d/").onmessage = message => {
  const row = document.createElement("li"); row.className = "row"; row.textContent = message.data;
  document.querySelector("ul").append(row);
};
</script>
"""


def main(number: int) -> None:
    with ground() as home, broker(home):
        from django.core.management import call_command

        from tests.live import web

        call_command("collectstatic", interactive=False, verbosity=0)
        with web() as server, worker(), chromium() as browser:
            page = queue_page(browser, server)
            sent = rounds(page, number, batches(server))
            host = agent(home, server)
            try:
                started = rounds(page, number, processes(host, number))
                mode = host_mode(host)
            finally:
                host.stop()
            bare = asyncio_bare(browser, number)
    lines = [
        f"{number} rows each, milliseconds, p50 / p99 / max",
        "",
        "| from | until its row stands in a browser |",
        "|---|---|",
        f"| a batch with one alert is sent | {spread(sent)} |",
        f"| a process starts on the host ({mode}) | {spread(started)} |",
        f"| limit: a message is sent to a bare WebSocket | {spread(bare)} |",
    ]
    print("\n".join(lines))


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser that the browser tests use."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import CHROMIUM, FLAGS

    # Playwright's loop runs in this thread; Django must not take it for its own
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def queue_page(browser: Any, server: Any) -> Any:
    """Signed in, at the queue, live, and noting its rows."""
    from tests.live import session_of
    from tests.response.cast import person

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session_of(person()), "url": server.address}])
    page = context.new_page()
    page.goto(server.address + "/")
    page.wait_for_selector("#live[data-state=live]")
    page.evaluate(NOTE % "li.row")
    return page


def rounds(page: Any, number: int, act: Iterator[Callable[[], None]]) -> list[float]:
    """Milliseconds from just before each act until the page noted its row; the first three are warm-up."""
    waits = []
    for done in range(1, number + 4):
        one = next(act)
        time.sleep(PAUSE_S)  # also for what else the last act may have led to
        before = page.evaluate("noted.length")
        began = time.time()
        one()
        page.wait_for_function("before => noted.length > before", arg=before, timeout=15_000)
        noted = page.evaluate("before => noted[before]", before)
        if done > 3:
            waits.append(noted - began * 1000)
    return waits


def batches(server: Any) -> Iterator[Callable[[], None]]:
    """Each sends one alert of a host of its own, so that it makes an incident of its own."""
    from http.client import HTTPConnection

    from hostagent.protocol import PATH_BATCHES
    from tests.gateway.machine import Machine

    connection = HTTPConnection("127.0.0.1", server.port)
    while True:
        machine = Machine.enrolled()
        body = machine.body([alert(time.time(), 1, None)])
        headers = machine.headers(body)

        def one(body: bytes = body, headers: dict[str, str] = headers) -> None:
            connection.request("POST", PATH_BATCHES, body=body, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 202, answer.read()
            answer.read()

        yield one


def agent(home: Any, server: Any) -> Any:
    """A host agent on this machine, heard by the server."""
    from benchmarks.kill import wait_for_bell
    from tests.flows.training_host import TrainingHost

    host = TrainingHost.enrolled(home / "hostagent", server)
    host.start()
    wait_for_bell(host)
    return host


def processes(host: Any, number: int) -> Iterator[Callable[[], None]]:
    """Each starts one process, of a run of its own, that is told to open a tunnel and does not."""
    from datetime import UTC, datetime

    from apps.fleet.models import Placement, TrainingRun

    now, full = datetime.now(UTC), full_pipe()
    for place in range(number + 3):
        name = f"bench-{place:03d}"
        run = TrainingRun.objects.create(name=name, marker=name, started_at=now)
        Placement.objects.create(
            run=run, host=host.host, cgroup="", root_pid=1, root_start_ticks=1, started_at=now
        )
        host.markers.append(name)
        env = {"SENTINEL_RUN": name, "PATH": os.environ["PATH"]}

        def one(env: dict[str, str] = env) -> None:
            subprocess.Popen(TUNNEL, executable="/bin/echo", stdout=full, env=env)

        yield one


def full_pipe() -> int:
    """Where nothing more can be written: `echo` with the words of a tunnel stays, and does nothing."""
    _, into = os.pipe()
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, b" " * 4096)
    os.set_blocking(into, True)
    return into


def host_mode(host: Any) -> str:
    """How its processes were seen, in the host's own words."""
    from apps.fleet.models import HostAgent

    sensors = HostAgent.objects.values_list("sensors", flat=True).get(pk=host.agent.pk)
    return str(sensors.get("processes", {}).get("mode", "unknown"))


def asyncio_bare(browser: Any, number: int) -> list[float]:
    """The same page without anything behind it."""
    from websockets.asyncio.server import serve

    ready, ring = threading.Event(), {}

    async def stand() -> None:
        async def hold(socket: Any) -> None:
            ring["socket"] = socket
            await socket.wait_closed()

        async with serve(hold, "127.0.0.1", 0) as server:
            ring["port"] = server.sockets[0].getsockname()[1]
            ring["loop"] = asyncio.get_running_loop()
            ready.set()
            ring["over"] = asyncio.Event()
            await ring["over"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(stand()), daemon=True)
    thread.start()
    ready.wait(10)
    page = browser.new_page()
    page.set_content(BARE % ring["port"])
    page.evaluate(NOTE % "li.row")
    while "socket" not in ring:
        page.wait_for_timeout(20)

    def one() -> None:
        asyncio.run_coroutine_threadsafe(ring["socket"].send("row"), ring["loop"])

    waits = rounds(page, number, iter(lambda: one, None))
    ring["loop"].call_soon_threadsafe(ring["over"].set)
    thread.join(10)
    return waits


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
