"""The live feed at 1,000 browsers on one process, and a bare `websockets` fan-out beside it in the same run.

    python -m benchmarks.feed [sockets] [seconds]

Delay: 20 changes a second, each in a transaction of its own; from before the transaction to the client.
Sustained: changes as fast as all clients take them (at most 32 under way), entries delivered a second. The
bare server gets the same text by one control message a change and calls `websockets.broadcast`: no database,
no commit, no rights, no cursor.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.ground import ground, spread
from benchmarks.sinks import Sink, Tally, opened, upgrade

RATE = 20
UNDER_WAY = 32
Emit = Callable[[], Awaitable[int]]


def main(sockets: int, seconds: float) -> None:
    with ground():
        from tests.live import session_of, web
        from tests.response.cast import person

        session = session_of(person())
        with web() as server:
            ours = asyncio.run(measure_ours(server.port, session, sockets, seconds))
    bare = asyncio.run(measure_bare(sockets, seconds))
    report(sockets, ours, bare)


async def measure_ours(port: int, session: str, sockets: int, seconds: float) -> dict[str, object]:
    request = upgrade("/ws/feed/", port, Cookie=f"sessionid={session}", Origin=f"http://127.0.0.1:{port}")
    subscribe = json.dumps({"subscribe": ["queue"], "cursor": None})
    tally, pool = Tally(), ThreadPoolExecutor(1)
    sinks = await opened(sockets, port, request, subscribe, tally)

    async def emit() -> int:
        return await asyncio.get_running_loop().run_in_executor(pool, publish_one)

    return await measure(emit, sinks, tally, seconds)


def publish_one() -> int:
    from django.db import transaction

    from apps.feed.services import publish

    now = time.time() * 1000
    with transaction.atomic():
        return publish("incident.changed", topics=["queue"], subject=("incident", 1), by="ana", t=now).pk


async def measure_bare(sockets: int, seconds: float) -> dict[str, object]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port, tally = int(process.stdout.readline()), Tally()
        sinks = await opened(sockets, port, upgrade("/", port), None, tally)
        (control,) = await opened(1, port, upgrade("/control", port), None, Tally())
        last = 0

        async def emit() -> int:
            nonlocal last
            last += 1
            control.send(entry_text(last))
            return last

        return await measure(emit, sinks, tally, seconds)
    finally:
        process.terminate()
        process.wait()


def entry_text(number: int) -> str:
    """The frame that Sentinel sends for the same change."""
    now = time.time() * 1000
    entry = {
        "id": number, "kind": "incident.changed", "topics": ["queue"], "subject": ["incident", 1],
        "by": "ana", "at_ms": int(now), "detail": {"t": now},
    }  # fmt: skip
    return json.dumps({"entries": [entry], "cursor": number, "lag_ms": 1}, separators=(",", ":"))


async def measure(emit: Emit, sinks: list[Sink], tally: Tally, seconds: float) -> dict[str, object]:
    await steady(emit, sinks, seconds=2)
    tally.delays.clear()
    await steady(emit, sinks, seconds=seconds)
    delays = list(tally.delays)
    frames, entries, began = tally.frames, tally.entries, time.monotonic()
    await flat_out(emit, sinks, seconds=seconds)
    took = time.monotonic() - began
    return {
        "delays": delays,
        "entries": (tally.entries - entries) / took,
        "frames": (tally.frames - frames) / took,
        "resyncs": tally.resyncs,
    }


async def steady(emit: Emit, sinks: list[Sink], *, seconds: float) -> None:
    began, last = time.monotonic(), 0
    for number in range(int(seconds * RATE)):
        await asyncio.sleep(max(0, began + number / RATE - time.monotonic()))
        last = await emit()
    await everywhere(sinks, last)


async def flat_out(emit: Emit, sinks: list[Sink], *, seconds: float) -> None:
    began, sent = time.monotonic(), list[int]()
    while time.monotonic() - began < seconds:
        sent.append(await emit())
        if len(sent) > UNDER_WAY:
            await everywhere(sinks, sent.pop(0))
    await everywhere(sinks, sent[-1])


async def everywhere(sinks: list[Sink], number: int) -> None:
    """Every client has entry `number`."""
    deadline = time.monotonic() + 30
    while any(sink.seen < number for sink in sinks):
        assert time.monotonic() < deadline, "entries do not arrive"
        await asyncio.sleep(0.002)


def report(sockets: int, ours: dict[str, object], bare: dict[str, object]) -> None:
    ratio = float(ours["entries"]) / float(bare["entries"])  # type: ignore[arg-type]
    sys.stdout.write(
        f"{sockets} sockets on one process\n\n"
        "| | delay at 20 changes/s, ms p50 / p99 / max | entries delivered/s | frames/s | resyncs |\n"
        "|---|---|---|---|---|\n"
    )
    for name, found in (("Sentinel (commit to browser)", ours), ("bare `websockets.broadcast`", bare)):
        sys.stdout.write(
            f"| {name} | {spread(found['delays'])} | {found['entries']:,.0f} | {found['frames']:,.0f}"  # type: ignore[arg-type]
            f" | {found['resyncs']} |\n"
        )
    sys.stdout.write(f"\nSustained deliveries: {ratio:.2f} of the bare fan-out.\n")


if __name__ == "__main__":
    main(*(int(given) for given in (*sys.argv[1:], *("1000", "6")[len(sys.argv) - 1 :])))
