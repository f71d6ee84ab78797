"""Alerts by HTTP until committed, correlated and visible, beside the fastest way to fill the same table.

    python -m benchmarks.ingest [seconds of load a case]

A real uvicorn, a real Celery worker with two processes, an embedded PostgreSQL with the settings of
production. The limit, in the same run: as many writers (two), each COPY -> staging -> INSERT ON CONFLICT ->
commit into the same table, batches of the same size, nothing else running. Load comes as signed, gzipped
batches of eight host agents over kept-alive connections, made before the clock starts.
"""

import asyncio
import contextlib
import gzip
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ground import ground, percentile, spread
from sentinel.stack.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
AGENTS, WRITERS = 8, 2
PACE = 10_000  # alerts a second while acknowledgements are timed


@dataclass
class Figures:
    """What one case came to."""

    name: str
    size: int
    rate: float
    accepted: float
    limit: float = 0.0


def main(seconds: float) -> None:
    with ground() as home, broker(home):
        from tests.live import web

        figures = []
        with web() as server, worker():
            for name, size, of_run in (
                ("plain", 500, False),
                ("of a run", 500, True),
                ("plain", 20, False),
                ("of a run", 20, True),
            ):
                one = measure(server.port, name, size, of_run, seconds)
                one.limit = limit(size, seconds)  # the worker has nothing to do meanwhile
                figures.append(one)
            acks = [(size, *acknowledged(server.port, size, seconds)) for size in (500, 20)]
            rung = heard(server.port)
    report(figures, acks, rung, seconds)


@contextlib.contextmanager
def broker(home: Path) -> Iterator[None]:
    """A broker of this run's own."""
    from django.conf import settings

    valkey = Valkey(home)
    valkey.start()
    valkey.wait_ready()
    os.environ["REDIS_URL"] = settings.REDIS_URL = valkey.url
    try:
        yield
    finally:
        valkey.stop()


@contextlib.contextmanager
def worker() -> Iterator[None]:
    """Celery as the stack starts it."""
    arguments = ["-A", "sentinel", "worker", "-c", str(WRITERS), "--without-gossip", "--without-mingle"]
    command = [sys.executable, "-m", "celery", *arguments, "--loglevel", "ERROR"]
    env = os.environ | {"SENTINEL_LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


# -- load ----------------------------------------------------------------------------------------


def requests(size: int, of_run: bool, alerts: int) -> list[list[bytes]]:
    """For each agent, the requests it will send: `alerts` in all, in batches of `size`."""
    from tests.gateway.machine import Machine

    machines = [Machine.enrolled(f"bench-{time.time_ns()}-{number}") for number in range(AGENTS)]
    if of_run:
        start_run(machines[0])
    each = max(1, alerts // size // AGENTS)
    return [[request(machine, size, of_run) for _ in range(each)] for machine in machines]


def start_run(machine: Any) -> None:
    from datetime import UTC, datetime

    from apps.fleet.runs import Start, start_run

    now = datetime.now(UTC)
    start_run(Start(machine.agent.host_id, "bench", now, "bench-run", "bench-run", 1, 1))


def request(machine: Any, size: int, of_run: bool) -> bytes:
    now = time.time()
    body = gzip.compress(
        _encoded([alert(now, number, "bench-run" if of_run else None) for number in range(size)]), 1
    )
    headers = machine.headers(body)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = [
        "POST /agent/v1/batches HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(body)}",
        *lines,
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def _encoded(records: list[dict[str, Any]]) -> bytes:
    import msgspec

    return msgspec.json.encode(records)


def alert(now: float, number: int, run: str | None) -> dict[str, Any]:
    detail = {
        "action": "blocked",
        "source": "10.1.4.7",
        "destination": f"198.51.100.{number % 250}",
        "port": 4444,
    }
    return {
        "kind": "alert",
        "at": now,
        "rule": f"firewall-{number % 4}",
        "title": "Outbound connection blocked",
        "level": "high",
        "technique": "T1571",
        "family": "egress",
        "run": run,
        "pid": None,
        "start_ticks": None,
        "detail": detail,
    }


async def send(port: int, lines: list[list[bytes]], *, pace: float = 0, size: int = 0) -> list[float]:
    """All requests over one connection an agent; the milliseconds each waited for its 202."""
    waits: list[float] = []
    began = time.perf_counter()

    async def one(place: int, wanted: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, data in enumerate(wanted):
            sent = time.perf_counter()
            if pace:  # counted from when it was due, so that a late one does not hide those behind it
                sent = began + (number * AGENTS + place) * size / pace
                await asyncio.sleep(max(0, sent - time.perf_counter()))
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 202"), head
            waits.append((time.perf_counter() - sent) * 1000)
        writer.close()

    await asyncio.gather(*(one(place, wanted) for place, wanted in enumerate(lines)))
    return waits


def measure(port: int, name: str, size: int, of_run: bool, seconds: float) -> Figures:
    """From the first byte sent until the last alert is committed and counted by its incident."""
    guess = (40_000 if size == 500 else 12_000) * seconds * (0.6 if of_run else 1)
    lines = requests(size, of_run, int(guess))
    total = size * sum(len(wanted) for wanted in lines)
    asyncio.run(send(port, [wanted[:1] for wanted in lines]))  # connections, plans and rules are warm
    settle()
    lines = [wanted[1:] for wanted in lines]
    total -= AGENTS * size
    before = counted()
    began = time.perf_counter()
    asyncio.run(send(port, lines))
    accepted = time.perf_counter() - began
    settle()
    took = time.perf_counter() - began
    assert counted() - before == total, (counted() - before, total)
    return Figures(name, size, total / took, total / accepted)


def counted() -> int:
    """Alerts, as the incidents count them."""
    from django.db.models import Sum

    from apps.incidents.models import Incident

    return int(Incident.objects.aggregate(all=Sum("alert_count"))["all"] or 0)


def settle() -> None:
    from apps.telemetry.models import Batch

    while Batch.objects.filter(state="pending").exists():
        time.sleep(0.005)


def acknowledged(port: int, size: int, seconds: float) -> tuple[float, float, float]:
    """p50 and p99 of the wait for 202 at the pace, and the pace that was held."""
    lines = requests(size, False, int(PACE * seconds))
    began = time.perf_counter()
    waits = asyncio.run(send(port, lines, pace=PACE, size=size))
    held = len(waits) * size / (time.perf_counter() - began)
    settle()
    return percentile(waits, 0.5), percentile(waits, 0.99), held


def heard(port: int, number: int = 100) -> list[float]:
    """Milliseconds from a batch being sent until a web process hears that its incident grew; light load."""
    import psycopg

    from apps.feed.services import CHANNEL

    lines = requests(20, False, 20 * AGENTS * number)
    waits = []
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as bell:
        bell.execute(f"LISTEN {CHANNEL}")
        for data in lines[0]:
            time.sleep(0.02)
            began = time.perf_counter()
            asyncio.run(send(port, [[data]]))
            next(bell.notifies(timeout=5))
            waits.append((time.perf_counter() - began) * 1000)
            list(bell.notifies(timeout=0))
    return waits


# -- limit ---------------------------------------------------------------------------------------


def limit(size: int, seconds: float) -> float:
    """Alerts a second that `WRITERS` bare writers commit into the same table."""
    from apps.core.bulk import MOST_ROWS
    from apps.detection.models import Alert, DetectionRule
    from apps.telemetry.models import Batch

    sample = Alert.objects.order_by("-id").values_list("rule_id", "host_id").first()
    assert sample and DetectionRule.objects.filter(pk=sample[0]).exists()
    template = Batch.objects.order_by("-id").first()
    assert template is not None
    free = (Batch.objects.order_by("-sequence").values_list("sequence", flat=True).first() or 0) + 1
    number = 4_000 if size < 100 else 1_000
    rows = [
        Batch(
            agent_id=template.agent_id,
            sequence=free + place,
            body=b"",
            digest="",
            signature="",
            received_at=template.received_at,
            state="done",
        )
        for place in range(WRITERS * number)
    ]
    made = Batch.objects.bulk_create(rows, MOST_ROWS)
    ids = [batch.pk for batch in made]
    from django.db import connection

    context = multiprocessing.get_context("spawn")
    with context.Pool(WRITERS) as pool:
        jobs = [
            (os.environ["DATABASE_URL"], *sample, ids[place::WRITERS], size, seconds)
            for place in range(WRITERS)
        ]
        pool.starmap(write, [(*job[:-1], 0.0) for job in jobs])  # interpreters and plans are warm
        done = pool.starmap(write, [(*job[:3], job[3][1:], *job[4:]) for job in jobs])
    connection.close()
    return sum(number / took for number, took in done)


STAGE = """
CREATE TEMP TABLE stage (
    rule_id bigint, level text, title text, host_id bigint, run_id bigint, process_id bigint,
    connection_id bigint, batch_id bigint, position integer, occurred_at timestamptz, received_at timestamptz,
    correlation_key bytea, drill boolean, detail jsonb) ON COMMIT DELETE ROWS
"""


def write(url: str, rule: int, host: int, batches: list[int], size: int, seconds: float) -> tuple[int, float]:
    """One bare writer; how many alerts in how many seconds."""
    from datetime import UTC, datetime

    import psycopg

    names = (
        "rule_id, level, title, host_id, run_id, process_id, connection_id, batch_id, position,"
        " occurred_at, received_at, correlation_key, drill, detail"
    )
    now, key = datetime.now(UTC), os.urandom(16)
    detail = '{"action":"blocked","source":"10.1.4.7","destination":"198.51.100.7","port":4444}'
    title = "Outbound connection blocked"
    done = 0
    with psycopg.connect(url) as connection:
        connection.execute(STAGE)
        connection.commit()
        began = time.perf_counter()
        for batch in batches:
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY stage ({names}) FROM STDIN") as copy:
                    for place in range(size):
                        fixed = (rule, "high", title, host, None, None, None, batch, place)
                        copy.write_row((*fixed, now, now, key, False, detail))
                cursor.execute(
                    f"INSERT INTO detection_alert ({names}) SELECT {names} FROM stage"  # noqa: S608
                    " ON CONFLICT DO NOTHING"
                )
            connection.commit()
            done += size
            if time.perf_counter() - began > seconds:
                break
        return done, time.perf_counter() - began


def report(
    figures: list[Figures], acks: list[tuple[int, float, float, float]], rung: list[float], seconds: float
) -> None:
    lines = [
        f"{seconds:g} seconds of load a case, the generator on the same cores",
        "",
        "| alerts | batch | committed, correlated, visible /s | limit /s | ratio | accepted /s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.name} | {one.size} | {one.rate:,.0f} | {one.limit:,.0f} | **{one.rate / one.limit:.2f}** |"
        f" {one.accepted:,.0f} |"
        for one in figures
    ]
    lines += ["", "| acknowledged at | batch | p50 ms | p99 ms |", "|---|---|---|---|"]
    lines += [f"| {held:,.0f} alerts/s | {size} | {p50:.1f} | {p99:.1f} |" for size, p50, p99, held in acks]
    lines += ["", f"Batch of 20 sent until the feed rings, light load, p50 / p99 / max ms: {spread(rung)}"]
    print("\n".join(lines))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 6.0)
