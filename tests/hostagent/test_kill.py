"""A kill ends all of a run, whatever it did to get away, and proves it; and it ends nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hostagent import cgroups, procfs
from hostagent.executors.processes import Limits, ProcessExecutor
from tests.hostagent.acting import Launched, Orders, until
from tests.hostagent.stub import Stub

pytestmark = pytest.mark.cgroup

TREE = """
import subprocess, time
for _ in range(15): subprocess.Popen(["sleep", "300"])
time.sleep(300)
"""
DEAF = """
import signal, time, os
for number in range(1, 64):
    if number not in (9, 19, 32, 33): signal.signal(number, signal.SIG_IGN)
if os.fork() and os.fork(): pass
while True: time.sleep(0.01)
"""
DAEMONS = """
import os, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(300)
        os._exit(0)
time.sleep(300)
"""
STORM = """
import os, time
for _ in range(6):
    if os.fork() == 0: break
count = 0
while count < 4000:
    if os.fork():
        os._exit(0)   # hop on: a new pid every time
    count += 1
time.sleep(300)
"""
HEADLESS = """
import ctypes, os, platform, threading, time
def stay():
    while open(f"/proc/{os.getpid()}/stat").read().rpartition(") ")[2][0] != "Z": time.sleep(0.01)
    print(os.getpid(), flush=True)
    time.sleep(300)
threading.Thread(target=stay).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # exit of this thread alone
"""


def kinds(receipts: list[dict[str, Any]]) -> list[str]:
    return [one["stage"] for one in receipts]


def last(receipts: list[dict[str, Any]], stage: str) -> dict[str, Any]:
    return [one for one in receipts if one["stage"] == stage][-1]


def assert_dead(run: Launched, receipts: list[dict[str, Any]]) -> None:
    assert kinds(receipts)[-1] == "VERIFIED", receipts[-1]
    final = receipts[-1]
    assert set(final["probes"]) == {"cgroup", "marker", "gpu", "sockets", "respawn"}
    assert all(probe["ok"] for probe in final["probes"].values())
    assert run.marked() == []


def test_sixteen_processes_are_dead_with_every_step_told(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run = launch(TREE, children=15)
    receipts = orders.give(run, "KILL")
    assert kinds(receipts) == ["DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED", "WATCHING", "VERIFIED"]
    assert [one["seq"] for one in receipts] == list(range(6))
    assert_dead(run, receipts)
    watching = last(receipts, "WATCHING")
    assert watching["processes_before"] == 16
    assert watching["processes_after"] == 0
    assert watching["method"] == "cgroup.kill"
    assert set(watching["took"]) == {"freeze_ms", "capture_ms", "kill_ms", "verify_ms"}
    assert not cgroups.open_group(run.known.cgroup or "")
    assert run.process.wait(10) == 128 + signal.SIGKILL


def test_the_evidence_shows_the_frozen_tree_and_its_hash_can_be_reckoned_again(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run = launch(TREE, children=15, SECRET_TOKEN="hunter2")
    captured = last(orders.give(run, "KILL"), "CAPTURED")
    tree = {entry["pid"]: entry for entry in captured["evidence"]["tree"]}
    root = tree[run.known.root_pid]
    assert root["argv"][1:] == ["-c", TREE]
    assert root["marker"] == run.run
    assert "SECRET_TOKEN" in root["env_names"]
    assert "hunter2" not in json.dumps(captured)
    assert all(entry["ppid"] == root["pid"] for pid, entry in tree.items() if pid != root["pid"])
    text = json.dumps(captured["evidence"], sort_keys=True, separators=(",", ":"))
    assert captured["evidence_sha256"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("code", "children"), [(DEAF, 2), (DAEMONS, 5), (STORM, 1)])
def test_deaf_daemons_and_fork_storms_die_too(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, code: str, children: int
) -> None:
    agent()
    run = launch(code, children=children)
    assert_dead(run, orders.give(run, "KILL"))


def test_who_left_the_group_is_found_by_the_marker(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run = launch(DAEMONS, children=5)
    stray = stray_process(run.run)
    receipts = orders.give(run, "KILL")
    assert_dead(run, receipts)
    tree = {entry["pid"]: entry for entry in last(receipts, "CAPTURED")["evidence"]["tree"]}
    assert "marker" in tree[stray]["belongs_by"]
    assert "cgroup" not in tree[stray]["belongs_by"]


def test_who_left_the_group_and_dropped_the_marker_is_found_by_descent(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    mount = cgroups.find_mount()
    code = f"""
import os, subprocess, time
open("{mount}/cgroup.procs", "w").write("0")   # out of the run's group
subprocess.Popen(["sleep", "301"], env={{}})
time.sleep(300)
"""
    run = launch(code)
    (child,) = until(lambda: children_of(run.known.root_pid))
    ticks = procfs.start_ticks(child)
    receipts = orders.give(run, "KILL")
    assert_dead(run, receipts)
    assert ticks is not None
    assert not procfs.alive(child, ticks)


def test_who_left_its_first_thread_looks_dead_and_is_found(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    """/proc then calls the process a zombie and shows no environment, while its other threads go on."""
    agent()
    run = launch(TREE, children=15)
    stray = stray_process(run.run, HEADLESS)
    ticks = procfs.start_ticks(stray)
    assert ticks is not None
    assert procfs.alive(stray, ticks)
    receipts = orders.give(run, "KILL")
    assert_dead(run, receipts)
    assert not procfs.alive(stray, ticks)


def test_what_the_order_names_exactly_dies_and_a_later_owner_of_the_number_does_not(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run = launch(TREE, children=15)
    named, spared = stray_process(None), stray_process(None)
    named_ticks, spared_ticks = procfs.start_ticks(named), procfs.start_ticks(spared)
    assert named_ticks is not None
    assert spared_ticks is not None
    try:
        payload = orders.payload(run, "KILL")
        payload["targets"]["pids"] = [[named, named_ticks], [spared, spared_ticks - 1]]
        receipts = orders.give(run, "KILL", targets=payload["targets"])
        assert_dead(run, receipts)
        assert not procfs.alive(named, named_ticks)
        assert procfs.alive(spared, spared_ticks)
    finally:
        os.kill(spared, signal.SIGKILL)


def test_a_neighbour_run_is_not_touched(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run, neighbour = launch(TREE, name="pair-1", children=15), launch(TREE, name="pair-11", children=15)
    assert_dead(run, orders.give(run, "KILL"))
    assert len(neighbour.marked()) == 16


def test_without_a_group_the_same_run_dies_by_pidfds(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders
) -> None:
    agent()
    run = launch(DAEMONS, children=5)
    targets = {**orders.payload(run, "KILL")["targets"], "cgroup": None}
    receipts = orders.give(run, "KILL", targets=targets)
    assert_dead(run, receipts)
    assert receipts[-1]["method"] == "pidfd"


def test_a_run_that_is_not_here_is_said_not_to_be_here(agent: Callable[[], Any], orders: Orders) -> None:
    agent()
    receipts = orders.give(None, "KILL", marker="never-was")
    assert last(receipts, "WATCHING")["processes_before"] == 0
    assert "nothing of this run" in receipts[-1]["detail"]


def test_neither_init_nor_the_agent_nor_its_parents_are_ever_stopped() -> None:
    """Even when an order names them, or names a group that holds them."""
    stages: list[str] = []
    mine = [[pid, procfs.start_ticks(pid)] for pid in (1, os.getpid(), os.getppid())]
    order = Orders(Stub()).payload(None, "KILL", marker="x-y-z")
    order["targets"] = {"cgroup": procfs.cgroup(os.getpid()), "root_pid": None, "pids": mine}
    executor = ProcessExecutor(order, lambda stage, **_: stages.append(stage))  # type: ignore[arg-type]
    assert executor.target.group is None
    assert executor.finder.find() == {}
    executor.kill()
    assert stages[-1] == "WATCHING"


@pytest.mark.parametrize("path", ["/", "", "/../..", "/sentinel/../..", "relative", "/no/such/group", "/\0"])
def test_odd_group_paths_are_no_groups(path: str) -> None:
    assert cgroups.open_group(path) is None


def test_what_cannot_be_killed_in_time_has_survived(
    launch: Callable[..., Launched], orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch(TREE, children=15)
    said: list[tuple[str, dict[str, Any]]] = []
    order = orders.payload(run, "KILL")
    executor = ProcessExecutor(
        order,  # type: ignore[arg-type]
        lambda stage, **fields: said.append((stage, fields)),
        limits=Limits(kill_s=0.2),
    )
    monkeypatch.setattr("hostagent.executors.signals.send", lambda member, number: None)
    monkeypatch.setattr(cgroups.Cgroup, "kill", lambda self: False)
    assert executor.kill() is False
    stage, fields = said[-1]
    assert stage == "SURVIVED"
    assert len(fields["survivors"]) == 16
    assert {"pid", "start_ticks", "argv", "state", "wchan"} == set(fields["survivors"][0])
    assert fields["probes"]["cgroup"]["ok"] is False


def test_a_respawn_within_the_watch_is_killed_again_and_told(
    agent: Callable[[], Any], launch: Callable[..., Launched], orders: Orders, stub: Stub
) -> None:
    agent()
    run = launch(TREE, children=15)
    payload = orders.payload(run, "KILL", respawn_watch_s=2.0)
    stub.order(payload)
    stub.wait(lambda: "WATCHING" in stub.stages(payload["order_id"]))
    subprocess.run(["setsid", "-f", "sleep", "300"], env={**os.environ, "SENTINEL_RUN": run.run}, check=False)
    receipts = orders.receipts(payload["order_id"])
    assert kinds(receipts).count("WATCHING") == 2
    assert "came back" in last(receipts, "WATCHING")["detail"]
    assert "respawn" in receipts[-1]["probes"]["respawn"]["detail"]
    assert_dead(run, receipts)


def stray_process(
    marker: str | None, code: str = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
) -> int:
    """A process of nobody's tree and no run's group, with the marker or without any."""
    env = {"SENTINEL_RUN": marker} if marker else {"X": "1"}
    argv = ["setsid", "-f", sys.executable, "-I", "-c", code]
    with subprocess.Popen(argv, env={**env, "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        return int(process.stdout.readline())


def children_of(pid: int) -> list[int]:
    return [other for other in procfs.pids() if (found := procfs.stat(other)) and found.ppid == pid]
