"""A real host agent on this machine, and runs with real processes under it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.core.keys import public_key
from apps.fleet.models import Host, HostAgent, Placement, TrainingRun
from apps.response.models import OrderTarget
from hostagent import procfs, runs
from hostagent.config import Identity, State
from hostagent.keys import create_key
from hostagent.protocol import unb64url
from tests.live import ROOT, Web

TREE = Path(__file__).with_name("tree.py")


def until(met: Callable[[], Any], *, seconds: float = 60, what: str = "") -> Any:
    """The value of `met` as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := met()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or met}")
        time.sleep(0.02)
    return value


@dataclass
class TrainingHost:
    """One host agent with its own state directory."""

    state: State
    host: Host
    agent: HostAgent
    process: subprocess.Popen[bytes] | None = None
    launched: list[subprocess.Popen[bytes]] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)

    @classmethod
    def enrolled(cls, folder: Path, server: Web, *, name: str = "gpu-a12-01") -> "TrainingHost":
        """Known to the server as if it had enrolled; enrolment has tests of its own."""
        state = State(folder).prepare()
        key = create_key(state.key_file)
        host = Host.objects.create(name=name, machine_id=uuid.uuid4().hex)
        agent = HostAgent.objects.create(
            uuid=uuid.uuid4(), host=host, public_key=unb64url(key.public), version="1"
        )
        state.save_identity(
            Identity(
                server=server.address,
                agent_id=str(agent.uuid),
                host_id=str(host.pk),
                host_name=name,
                server_key=public_key("server"),
            )
        )
        return cls(state, host, agent)

    def start(self) -> None:
        self.process = self._spawn("run")

    def kill(self) -> None:
        """As the kernel would; its runs go on."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def launch(self, name: str, *argv: str) -> tuple[TrainingRun, list[int]]:
        """A run with real processes, known to the server as its host would report it."""
        name = f"{name}-{uuid.uuid4().hex[:6]}"  # a kill looks for its marker on the whole machine
        self.launched.append(self._spawn("launch", "--run", name, "--", *argv))
        self.markers.append(name)
        found = until(lambda: self._run(name), what=f"{name} started")
        run = TrainingRun.objects.create(name=name, marker=found.marker, started_at=datetime.now(UTC))
        Placement.objects.create(
            run=run,
            host=self.host,
            cgroup=found.cgroup or "",
            root_pid=found.root_pid,
            root_start_ticks=found.root_start_ticks,
            started_at=datetime.now(UTC),
        )
        return run, [found.root_pid]

    def launch_tree(self, name: str, processes: int) -> tuple[TrainingRun, list[int]]:
        """A run of that many processes, some of which left their session."""
        run, _ = self.launch(name, sys.executable, str(TREE), str(processes - 1))
        pids = until(lambda: marked(run.marker, at_least=processes), what="the tree is complete")
        return run, pids

    def stop(self) -> None:
        """Neither the host agent nor anything of its runs is left."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=15)
        for marker in self.markers:
            for pid in marked(marker):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for launcher in self.launched:
            launcher.wait(timeout=15)

    def _run(self, name: str) -> runs.Run | None:
        return next((run for run in runs.named(self.state, name) if run.running), None)

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        # `command --state … --run name`: the state directory goes right behind the command.
        command, *rest = arguments
        argv = [sys.executable, "-m", "hostagent", command, "--state", str(self.state.root), *rest]
        env = os.environ | {"SENTINEL_AGENT_LOG": "WARNING"}
        return subprocess.Popen(argv, cwd=ROOT, env=env, start_new_session=True)


def marked(marker: str, *, at_least: int = 0) -> list[int]:
    """Live processes that carry the run's marker, or none while there are fewer than `at_least`."""
    wanted = f"SENTINEL_RUN={marker}".encode()
    found = []
    for pid in procfs.pids():
        try:
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            continue
    return found if len(found) >= at_least else []


def reached(target: OrderTarget, *stages: str) -> bool:
    """Whether the host's part of the order stands in one of `stages` by now."""
    return OrderTarget.objects.get(pk=target.pk).stage in stages


def gone(pids: list[int]) -> bool:
    """Whether none of `pids` runs any more (a zombie does not)."""
    return not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
