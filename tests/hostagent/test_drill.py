"""The drill plays real processes, can be killed like any run, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostagent import procfs, runs
from hostagent.config import State
from hostagent.drill import openssh, outside, stage, story
from hostagent.drill.standin_server import StandinServer
from tests.hostagent.acting import Launched, Orders, until
from tests.hostagent.conftest import ENV
from tests.hostagent.stub import Stub


def start_drill(state: State, seconds: float) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "hostagent", "drill", "rome", "--state", str(state.root)]
    return subprocess.Popen([*argv, "--seconds", str(seconds)], env=ENV, stdout=subprocess.PIPE, text=True)


def test_the_three_unasked_acts_are_seen_and_a_kill_ends_the_whole_drill(
    agent: Callable[[], Any], state: State, stub: Stub, orders: Orders
) -> None:
    agent()
    began = time.time()
    drill = start_drill(state, 60)
    start = stub.wait(lambda: stub.records("run.start"), 30)[0]
    assert start["drill"] is True
    assert start["lineage"] == "drill"
    assert start["run"].startswith("drill-rome-")
    marker = start["marker"]

    def programs() -> list[dict[str, Any]]:
        return [one for one in stub.records("process.start") if one["marker"] == marker]

    def commands() -> str:
        return json.dumps([one["argv"] for one in programs()])

    def tunnels() -> list[dict[str, Any]]:
        return [
            one for one in stub.records("process.start") if one["marker"] == marker and "-R" in one["argv"]
        ]

    tunnel = stub.wait(tunnels, 40)[-1]
    assert tunnel["at"] - began < 40
    assert tunnel["traceparent"]
    stub.wait(lambda: "stratum+tcp://127.0.0.1" in commands(), 60)
    stub.wait(lambda: "/dev/tcp/127.0.0.1/2375" in commands(), 60)
    call = {one["span"]["spanId"]: one for one in stub.records("span")}[tunnel["traceparent"].split("-")[2]]
    assert "ssh -N -R" in json.dumps(call["span"])
    assert {one["state"] for one in stub.records("socket.open") if one["pid"] == tunnel["pid"]} == {
        "ESTABLISHED"
    }
    assert stub.records("run.step")

    known = runs.named(state, start["run"])[0]
    receipts = orders.give(Launched(start["run"], drill, known), "KILL")  # type: ignore[arg-type]
    assert receipts[-1]["stage"] == "VERIFIED", receipts[-1]
    captured = next(one for one in receipts if one["stage"] == "CAPTURED")
    assert captured["processes_before"] >= 9
    assert "xmrig" in json.dumps(captured["evidence"])
    assert drill.wait(15) == 0
    assert drill.stdout is not None
    assert "stopped from outside" in drill.stdout.read()
    assert leftovers(marker) == []


def test_it_ends_by_itself_and_leaves_nothing(state: State) -> None:
    drill = start_drill(state, 8)
    assert drill.wait(60) == 0
    assert drill.stdout is not None
    said = drill.stdout.read()
    assert "played to its end" in said
    assert "tunnel by" in said
    run = next(runs.all_runs(state))
    until(lambda: not leftovers(run.marker))
    assert run.ended_at
    lines = [json.loads(text) for text in (run.folder / "records.jsonl").read_text().splitlines()]
    assert [one["kind"] for one in lines] == ["run.start", "run.end"]
    assert lines[0]["native_ids"]["tunnel"].startswith(("OpenSSH", "stand-in"))
    spans = [json.loads(text) for text in Path(run.trace_file).read_text().splitlines()]
    assert {one.get("name") for one in spans} >= {"execute_tool bash"}


def test_all_of_it_is_on_loopback() -> None:
    """Whatever address a drill's programs are given, it is this machine's own."""
    scene = stage.build(seconds=90)
    try:
        commands = [act.command for act in story.acts(scene)]
    finally:
        stage.strike(scene)
    addresses = {word for text in commands for word in words(text) if word.count(".") == 3}
    assert addresses == {"127.0.0.1"}
    assert [act.at_s for act in story.acts(scene)] == sorted(act.at_s for act in story.acts(scene))
    assert min(act.at_s for act in story.acts(scene) if "ssh" in act.command) <= 10


def words(text: str) -> list[str]:
    for sign in ":/@'\"":
        text = text.replace(sign, " ")
    return [word for word in text.split() if word.replace(".", "").isdigit()]


def leftovers(marker: str) -> list[int]:
    needle = procfs.marker_needle(marker)
    return [pid for pid in procfs.pids() if procfs.has_marker(pid, needle)]


@pytest.mark.parametrize("standin", [True, False])
def test_the_tunnel_carries_bytes_from_outside_to_the_run(standin: bool) -> None:
    """With OpenSSH where it is, and with the stand-in everywhere."""
    scene = stage.build(seconds=20)
    if not standin and not scene.openssh:
        stage.strike(scene)
        pytest.skip(f"no OpenSSH here: {scene.why_standin}")
    if standin and scene.openssh:
        stage.fall_back(scene, "test")
    server = None if standin else outside.open_sshd(scene)
    if standin:
        StandinServer(scene).start()
    door = socket.create_server(("127.0.0.1", scene.service_port))

    def answer() -> None:
        caller, _ = door.accept()
        with caller:
            caller.sendall(b"through:" + caller.recv(100))

    threading.Thread(target=answer, daemon=True).start()
    assert openssh.client_argv(scene)
    client = subprocess.Popen(
        ["bash", "-c", story.tunnel(scene)],
        env={**ENV, "PATH": f"{scene.folder}/bin:{ENV['PATH']}"},
    )
    try:
        assert until(lambda: call(scene.tunnel_port)) == b"through:hello"
    finally:
        client.kill()
        client.wait()
        if server is not None:
            server.terminate()
            server.wait()
        door.close()
        stage.strike(scene)


def call(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as caller:
            caller.sendall(b"hello")
            return caller.recv(100)
    except OSError:
        return b""
