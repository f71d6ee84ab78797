"""Spans by OTLP/HTTP until they are stored, beside bare COPY of the same rows into the same table.

    python -m benchmarks.otlp [seconds a case]

A real uvicorn and an embedded PostgreSQL with the settings of production. Two exporters send protobuf
requests of 500 spans over kept-alive connections, made before the clock starts: tool calls with arguments of
200 characters, 50 to an episode and trace. The limit, in the same run: two writers, each COPY and commit of
500 of these rows into the same table with its indexes. A request is answered when its spans are stored. Then
memory: the web process before, and at most while requests of 64 MiB (inside) come in.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.ground import ground, spread

SIZE, EXPORTERS, EPISODE = 500, 2, 50
HEADERS = {"Content-Type": "application/x-protobuf"}
COLUMNS = (
    "run_id, episode_id, trace_id, span_id, parent_span_id, call_id, name, arguments, arguments_captured,"
    " global_step, started_at, failed, received_at, known_from, said_run"
)


def main(seconds: float) -> None:
    with ground():
        from tests.live import web

        with web() as server:
            token = token_of("bench-run")
            exporters = [Exporter(server.port, token) for _ in range(EXPORTERS)]
            for one in exporters:
                one.send(1)  # connections and plans are warm
            waits, took = together(exporters, seconds)
            stored = stored_calls() - EXPORTERS * SIZE
            sent = len(waits) * SIZE
            bare = limit(seconds)
            before = resident(server.process.pid)
            most = watched(server.process.pid, lambda: large(server.port, token))
    rate = sent / took
    print(f"{EXPORTERS} exporters, {SIZE} spans a request; {stored:,} of {sent:,} spans stored")
    print()
    print("| | spans/s | of the limit |")
    print("|---|---|---|")
    print(f"| accepted and stored | {rate:,.0f} | {rate / bare:.2f} |")
    print(f"| limit: COPY of the same rows, {EXPORTERS} writers | {bare:,.0f} | |")
    print()
    print(f"Milliseconds until 200, p50 / p99 / max: {spread(waits)}.")
    print()
    print(f"Memory of the web process: {before:,} MiB; at most {most:,} with two requests of 64 MiB inside.")


class Exporter:
    """One connection that sends requests of spans that nobody sent before."""

    def __init__(self, port: int, token: str) -> None:
        self.door = HTTPConnection("127.0.0.1", port)
        self.headers = HEADERS | {"Authorization": f"Bearer {token}"}
        self.waits: list[float] = []

    def send(self, number: int) -> None:
        for body in [request() for _ in range(number)]:
            self.post(body)

    def post(self, body: bytes) -> None:
        began = time.perf_counter()
        self.door.request("POST", "/v1/traces", body=body, headers=self.headers)
        answer = self.door.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.read() == b"", "some spans were refused"
        self.waits.append((time.perf_counter() - began) * 1000)


def together(exporters: list[Exporter], seconds: float) -> tuple[list[float], float]:
    """What each request waited, and how long all took."""
    bodies = [[request() for _ in range(int(40 * seconds))] for _ in exporters]
    for one in exporters:
        one.waits.clear()
    until = time.perf_counter() + seconds

    def work(one: Exporter, mine: list[bytes]) -> None:
        for body in mine:
            if time.perf_counter() > until:
                break
            one.post(body)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(exporters, bodies, strict=True)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [wait for one in exporters for wait in one.waits], time.perf_counter() - began


def request(spans: int = SIZE, text: int = 200) -> bytes:
    """An export request as the SDK's exporter writes it."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    whole = ExportTraceServiceRequest()
    resource = whole.resource_spans.add()
    scope = resource.scope_spans.add()
    now = time.time_ns()
    for number in range(spans):
        span = scope.spans.add()
        if number % EPISODE == 0:
            trace, episode = os.urandom(16), os.urandom(4).hex()
        span.trace_id, span.span_id = trace, os.urandom(8)
        span.name = "execute_tool bash"
        span.start_time_unix_nano, span.end_time_unix_nano = now + number, now + number + 1_000_000
        told: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "bash",
            "gen_ai.tool.call.id": f"call-{number}",
            "gen_ai.tool.call.arguments": '{"command": "' + "x" * text + '"}',
            "sentinel.episode": f"episode-{episode}",
        }
        for key, value in told.items():
            pair = span.attributes.add()
            pair.key, pair.value.string_value = key, value
        step = span.attributes.add()
        step.key, step.value.int_value = "sentinel.global_step", 1
    return whole.SerializeToString()


def token_of(run: str) -> str:
    """A token of that run, which is running."""
    from datetime import UTC, datetime

    from apps.audit.services import SYSTEM
    from apps.fleet.runs import Start, start_run
    from apps.fleet.trace_tokens import make_trace_token
    from tests.gateway.machine import Machine

    host = Machine.enrolled().agent.host_id
    started, _ = start_run(Start(host, "bench", datetime.now(UTC), run, run, 1, 1))
    return make_trace_token(started, by=SYSTEM)[1]


def stored_calls() -> int:
    from apps.telemetry.models import ToolCall

    return ToolCall.objects.count()


def large(port: int, token: str) -> None:
    """Two requests at once that are as large inside as is let in, small on the wire."""
    import gzip

    body = gzip.compress(request(spans=60, text=1_000_000)[: 63 * 1024 * 1024], 1)
    headers = HEADERS | {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}

    def post() -> None:
        door = HTTPConnection("127.0.0.1", port)
        door.request("POST", "/v1/traces", body=body, headers=headers)
        assert door.getresponse().status in (200, 400, 413, 503)

    threads = [threading.Thread(target=post) for _ in range(EXPORTERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident(pid: int) -> int:
    """MiB that the process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def watched(pid: int, act: Callable[[], None]) -> int:
    """The most MiB that the process held meanwhile."""
    most, over = [resident(pid)], threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            most.append(resident(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    act()
    over.set()
    watcher.join()
    return max(most)


def limit(seconds: float) -> float:
    """Rows a second that bare writers commit."""
    from django.db import connection

    from apps.telemetry.models import ToolCall

    sample = ToolCall.objects.values_list("run_id", "episode_id").first()
    context = multiprocessing.get_context("spawn")
    with context.Pool(EXPORTERS) as pool:
        job = (os.environ["DATABASE_URL"], sample)
        pool.starmap(write, [(*job, 0.0)] * EXPORTERS)
        done = pool.starmap(write, [(*job, seconds)] * EXPORTERS)
    connection.close()
    return sum(number / took for number, took in done)


def write(url: str, sample: tuple[int, int], seconds: float) -> tuple[int, float]:
    """One bare writer; how many rows in how many seconds."""
    from datetime import UTC, datetime

    import psycopg

    now, text, number = datetime.now(UTC), '{"command": "' + "x" * 200 + '"}', 0
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        while True:
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY telemetry_toolcall ({COLUMNS}) FROM STDIN") as copy,
            ):
                for _ in range(SIZE):
                    ids = (os.urandom(16).hex(), os.urandom(8).hex(), "", "call-1")
                    copy.write_row((*sample, *ids, "bash", text, True, 1, now, False, now, "span", ""))
            connection.commit()
            number += SIZE
            if time.perf_counter() - began >= seconds:
                return number, time.perf_counter() - began


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 8.0)
