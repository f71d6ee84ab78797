"""Click to dead on every probe, committed and shown: a real browser session, host agent and process tree.

    python -m benchmarks.kill [kills] [processes] [alerts a second]

One round: POST of the dialog -> order committed, host rung -> order pulled, run frozen, evidence taken,
killed, probed -> receipts committed -> feed entry on the page's socket, which draws the host's result at once
-> the page's panel with the proof fetched. The clock runs from before the POST until the entry with WATCHING
is here; the panel is counted beside it. Neither Redis nor Celery runs, unless alerts come in meanwhile:
those need both. Beside it, in the same run: the same kind of tree frozen, killed and removed by its cgroup
directly, which nothing can beat.
"""

import asyncio
import contextlib
import http.client
import multiprocessing
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks import ingest
from benchmarks.ground import ground, spread

BATCH = 500


def main(kills: int, processes: int, alerts: int = 0) -> None:
    with ground() as home, contextlib.ExitStack() as stack:
        if alerts:
            stack.enter_context(ingest.broker(home))
        from tests.flows.training_host import TrainingHost
        from tests.live import Page, session_of, web
        from tests.response.cast import person

        ana = person()
        session = session_of(ana)
        with web(SENTINEL_RESPAWN_WATCH="1") as server:
            host = TrainingHost.enrolled(home / "hostagent", server)
            host.start()
            times: dict[str, list[float]] = defaultdict(list)
            if alerts:
                stack.enter_context(ingest.worker())
                stack.enter_context(flood(server.port, alerts, seconds=60 + 4 * kills))
            try:
                wait_for_bell(host)
                browser, page = Browser(server.port, session), Page(server, session)
                for number in range(kills):
                    one_kill(host, browser, page, f"run-{number:03d}", processes, times)
                came = ingest.counted()
            finally:
                host.stop()
        bare = [bare_kill(processes) for _ in range(kills)]
    report(kills, processes, f", {came:,} alerts were worked off meanwhile" if alerts else "", times, bare)


@contextlib.contextmanager
def flood(port: int, alerts: int, *, seconds: int) -> Iterator[None]:
    """So many alerts a second come in by a process of its own, in batches of 500, until the block ends."""
    lines = ingest.requests(BATCH, False, alerts * seconds)
    sender = multiprocessing.get_context("spawn").Process(
        target=pour, args=(port, lines, alerts), daemon=True
    )
    sender.start()
    try:
        yield
    finally:
        sender.terminate()
        sender.join()


def pour(port: int, lines: list[list[bytes]], alerts: int) -> None:
    asyncio.run(ingest.send(port, lines, pace=alerts, size=BATCH))


class Browser:
    """A signed-in browser's plain requests over one connection."""

    def __init__(self, port: int, session: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        token = secrets.token_hex(16)
        self.headers = {
            "Cookie": f"sessionid={session}; csrftoken={token}",
            "X-CSRFToken": token,
            "HX-Request": "true",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, str]:
        self.connection.request(method, path, body=body, headers=self.headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()


def wait_for_bell(host: Any) -> None:
    from apps.fleet.models import HostAgent

    deadline = time.monotonic() + 30
    while not HostAgent.objects.filter(pk=host.agent.pk, last_seen_at__isnull=False).exists():
        assert time.monotonic() < deadline, "the host agent did not come to the bell"
        time.sleep(0.1)


def one_kill(
    host: Any, browser: Browser, page: Any, name: str, processes: int, times: dict[str, list[float]]
) -> None:
    from urllib.parse import urlencode

    from apps.response.models import ContainmentOrder, Receipt
    from apps.response.services import preview

    run, _ = host.launch_tree(name, processes)
    page.subscribe(f"run:{run.pk}")
    form = {
        "action": "KILL",
        "reason": "benchmark",
        "typed_name": run.name,
        "digest": preview(run).digest,
        "idempotency_key": secrets.token_hex(16),
    }
    browser.connection.close()
    browser.ask("GET", f"/runs/{run.pk}/contain/?action=KILL")  # the dialog that the person looks at
    began, clicked = time.monotonic(), time.time()
    status, text = browser.ask("POST", f"/runs/{run.pk}/contain/", urlencode(form))
    answered = time.monotonic()
    assert status in (204, 302), (status, text[:500])
    while not any(stage_of(entry) in ("WATCHING", "VERIFIED") for entry in page.until("entries")["entries"]):
        pass
    heard = time.monotonic()
    order = ContainmentOrder.objects.get(run=run)
    looked = time.monotonic()
    status, text = browser.ask("GET", f"/orders/{order.pk}/panel/")
    shown = time.monotonic()
    assert status == 200, (status, text[:500])
    times["heard"].append((heard - began) * 1000)
    times["answer"].append((answered - began) * 1000)
    times["panel"].append((shown - looked) * 1000)
    moments: dict[str, Any] = {}
    while "DELIVERED" not in moments:  # the steps follow their result
        moments = {row.stage: row for row in Receipt.objects.filter(target__order=order)}
    first, last = moments["DELIVERED"], moments["WATCHING"]
    times["ordered"].append((order.requested_at.timestamp() - clicked) * 1000)
    times["taken"].append((first.host_at.timestamp() - clicked) * 1000)
    times["dead"].append((last.host_at.timestamp() - clicked) * 1000)
    times["received"].append((last.received_at.timestamp() - clicked) * 1000)
    for took in Receipt.objects.filter(target__order=order, stage="WATCHING").values_list(
        "data__took", flat=True
    ):
        for step, value in took.items():
            times[step].append(value)


def stage_of(entry: dict[str, Any]) -> str:
    return str(entry["detail"].get("stage", ""))


def bare_kill(processes: int) -> float:
    """Milliseconds to freeze, kill and remove the same tree with nothing in between."""
    from hostagent import cgroups
    from tests.flows.training_host import TREE

    group = cgroups.create(f"bench-{secrets.token_hex(3)}")
    assert group, "no writable cgroup v2 here"
    root = subprocess.Popen([sys.executable, str(TREE), str(processes - 1)], preexec_fn=group.enter)
    while len(group.pids()) < processes:
        time.sleep(0.01)
    time.sleep(0.3)
    began = time.monotonic()
    group.freeze()
    group.kill()
    while group.event("populated") != "0":
        time.sleep(0.0005)
    root.wait()
    while not group.remove():
        time.sleep(0.0005)
    return (time.monotonic() - began) * 1000


def report(
    kills: int, processes: int, meanwhile: str, times: dict[str, list[float]], bare: list[float]
) -> None:
    lines = [
        f"{kills} kills of {processes} processes, milliseconds, p50 / p99 / max{meanwhile}",
        "",
        "| step | p50 / p99 / max |",
        "|---|---|",
        f"| **click to dead on every probe, committed and on the page** | **{spread(times['heard'])}** |",
        f"| at: order being written | {spread(times['ordered'])} |",
        f"| at: host has the order | {spread(times['taken'])} |",
        f"| at: dead, host's clock | {spread(times['dead'])} |",
        f"| at: last receipt being written | {spread(times['received'])} |",
        f"| after it: the panel with the proof is fetched | {spread(times['panel'])} |",
        f"| answer to the click (order committed) | {spread(times['answer'])} |",
        *(
            f"| on the host: {name.removesuffix('_ms')} | {spread(times[name])} |"
            for name in sorted(times)
            if name.endswith("_ms")
        ),
        f"| limit: freeze, cgroup.kill, remove, nothing else | {spread(bare)} |",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*([int(given) for given in sys.argv[1:]] + [20, 16][len(sys.argv) - 1 :]))
