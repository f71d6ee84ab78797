"""What the host agent costs at rest on a host with 500 processes: share of one core, and memory.

    python -m benchmarks.hostagent_rest [--processes 500] [--seconds 60] [--shared]

Runs in a pid and network namespace of its own where that can be made, so that nothing but the 500 processes
is on the "host"; there the kernel's process events do not arrive, so this is the dearer way of looking: a
sweep every second. `--shared` stays on the machine itself, with its events and whatever else it does.

CPU time is what the kernel charged to both of the agent's processes (utime + stime), so a busy machine
hardly changes it; memory is the sum of both resident sets (shared pages counted twice) and of both
proportional sets. Limits: 2 % of one core, 80 MiB.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hostagent import procfs
from hostagent.config import State
from hostagent.enrol import enrol
from hostagent.executors.finder import children
from tests.hostagent.stub import Stub

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "hostagent_rest.md"
SETTLE_S = 20.0
INSIDE = "SENTINEL_BENCH_ALONE"
MOST_CPU_PERCENT = 2.0
MOST_RSS_MIB = 80.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--processes", type=int, default=500)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--shared", action="store_true")
    wanted = options.parse_args()
    if not wanted.shared and INSIDE not in os.environ and can_be_alone():
        os.environ[INSIDE] = "1"
        argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", sys.executable]
        os.execvp(argv[0], [*argv, "-m", "benchmarks.hostagent_rest", *sys.argv[1:]])  # noqa: S606
    if INSIDE in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    crowd = [os.posix_spawn("/bin/sleep", ["sleep", "3600"], {"CROWD": "1"}) for _ in range(wanted.processes)]
    stub = Stub()
    stub.start()
    time.sleep(1.0)
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder) / "state")
        enrol(state, server=stub.url, token="t")
        agent = subprocess.Popen(
            [sys.executable, "-m", "hostagent", "run", "--state", str(state.root)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "SENTINEL_AGENT_LOG": "WARNING"},
        )
        try:
            stub.wait(lambda: len(stub.records("process.start")) >= wanted.processes, 60)
            time.sleep(SETTLE_S)
            figures = measure(agent.pid, stub, wanted.seconds)
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(15)
            for pid in crowd:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            stub.stop()
    return report(figures)


def can_be_alone() -> bool:
    tried = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "--net", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


def measure(agent: int, stub: Stub, seconds: float) -> dict[str, float | str]:
    pids = {"kill path": agent, "observer": children(agent)[0]}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    batches, records, began = len(stub.batches), len(stub.records()), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    shares = {name: (cpu_seconds(pid) - before[name]) / took * 100 for name, pid in pids.items()}
    modes = {name: one["mode"] for name, one in stub.records("heartbeat")[-1]["sensors"].items()}
    return {
        "processes on the host": sum(1 for _ in procfs.pids()),
        "seconds measured": round(took),
        "sensors": ", ".join(f"{name}: {mode}" for name, mode in modes.items()),
        **{f"{name}, % of one core": round(share, 3) for name, share in shares.items()},
        "total, % of one core": round(sum(shares.values()), 3),
        **{f"{name}, RSS MiB": round(memory(pid, "Rss"), 1) for name, pid in pids.items()},
        "total, RSS MiB": round(sum(memory(pid, "Rss") for pid in pids.values()), 1),
        "total, PSS MiB": round(sum(memory(pid, "Pss") for pid in pids.values()), 1),
        "batches a minute": round((len(stub.batches) - batches) / took * 60, 1),
        "records a minute": round((len(stub.records()) - records) / took * 60, 1),
        "load of the machine meanwhile": round(os.getloadavg()[0], 1),
    }


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / procfs.TICKS


def memory(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def report(figures: dict[str, float | str]) -> int:
    cpu, rss = float(figures["total, % of one core"]), float(figures["total, RSS MiB"])
    met = cpu < MOST_CPU_PERCENT and rss < MOST_RSS_MIB
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures.items())
    text = (
        "# Host agent at rest\n\n"
        f"Limits: {MOST_CPU_PERCENT:g} % of one core, {MOST_RSS_MIB:g} MiB. "
        f"{'Met' if met else 'NOT met'}.\n\n| | |\n|---|---|\n{rows}\n\n"
        "Again: `python -m benchmarks.hostagent_rest`\n"
    )
    RESULT.write_text(text)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
