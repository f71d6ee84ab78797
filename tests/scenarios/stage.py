"""What the scenarios are played on: a host agent, training loops on it, and a far end that only listens."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.attribution.models import Attribution
from apps.audit.services import SYSTEM
from apps.fleet.models import TrainingRun
from apps.fleet.sources import make_source
from tests.flows.training_host import TrainingHost, until
from tests.live import Web

LOOP = "tests.scenarios.loop"
FIRST_PORT = 20_100  # the forwarded port names the scenario; nobody listens there


@dataclass(frozen=True)
class Truth:
    """What is so: by whom, and in which tool call (its span id) where it was the agent."""

    agent: bool
    span: str = ""
    origins: tuple[str, ...] = ()  # also right, where it was not the agent; empty: any but the model
    port: int = 0  # of an alert from the wire: the near end's, by which it is found


@dataclass
class Loop:
    """A running training loop."""

    run: TrainingRun
    socket: Path
    folder: Path

    def call(
        self,
        command: str,
        *,
        episode: str = "",
        told: bool = True,
        context: bool = False,
        hold: float = 0.0,
        seconds: float = 3.0,
        wait: bool = False,
    ) -> str:
        """The tool call is under way (or has ended, with `wait`); its span id."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.socket))
            said = {
                "command": command,
                "episode": episode or uuid.uuid4().hex[:8],
                "told": told,
                "context": context,
                "hold": hold,
                "seconds": seconds,
                "folder": str(self.folder),
            }
            line.sendall(json.dumps(said).encode() + b"\n")
            heard = line.makefile()
            span = heard.readline().strip()
            if wait:
                heard.readline()
        return span


@dataclass
class Stage:
    """One host under watch. Everything that is started here ends with `clear`."""

    host: TrainingHost
    server: Web
    folder: Path
    far: socket.socket
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    undo: list[Callable[[], None]] = field(default_factory=list)
    sensor: str = ""  # the token of the firewall

    @classmethod
    def built(cls, host: TrainingHost, server: Web, folder: Path) -> "Stage":
        """With a far end that takes connections and never says a word, so that a client stays."""
        far = socket.create_server(("127.0.0.1", 0), backlog=256)
        stage = cls(host, server, folder, far)
        threading.Thread(target=stage._take, daemon=True).start()
        return stage

    def _take(self) -> None:
        kept = []
        with contextlib.suppress(OSError):
            while True:
                kept.append(self.far.accept()[0])

    @property
    def port(self) -> int:
        """Of the far end."""
        return int(self.far.getsockname()[1])

    def loop(self, name: str) -> Loop:
        """A training run of its own."""
        folder = self.folder / f"{name}-{uuid.uuid4().hex[:4]}"
        folder.mkdir()
        path = folder / "loop.sock"
        run, _ = self.host.launch(name, sys.executable, "-m", LOOP, str(path))
        until(path.exists, what="the loop listens")
        return Loop(run, path, folder)

    def tunnel(self, name: str, program: str = "ssh") -> str:
        """The command line of one reverse tunnel; its forwarded port stands for the scenario."""
        number = FIRST_PORT + len(self.names)
        self.names[number] = name
        options = "-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"
        return f"{program} -N {options} -R {number}:127.0.0.1:1 -p {self.port} eve@127.0.0.1"

    def firewall(self, near: int, far: str) -> None:
        """A firewall reports a connection: addresses, ports and a time, as Suricata writes them."""
        if not self.sensor:
            self.sensor = make_source(name="edge firewall", form="suricata", by=SYSTEM)[1]
        address, _, port = far.rpartition(":")
        line = {
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
            "event_type": "alert",
            "flow_id": near,
            "proto": "TCP",
            "src_ip": "127.0.0.1",
            "src_port": near,
            "dest_ip": address,
            "dest_port": int(port),
            "alert": {"signature_id": 9_000_001, "signature": "Outbound connection", "severity": 1},
        }
        headers = {"Authorization": f"Bearer {self.sensor}", "Content-Type": "application/json"}
        body = json.dumps(line).encode()
        status, answer = self.server.request("POST", "/v1/alerts/suricata", body=body, headers=headers)
        assert status == 200, answer

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        """A program of the host, outside of every run."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        made = subprocess.Popen(argv, start_new_session=True, **(quiet | options))
        self.programs.append(made)
        return made

    def clear(self) -> None:
        """No tunnel and no program of the stage is left."""
        for act in reversed(self.undo):
            act()
        for program in self.programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(timeout=10)
        for pid in self.tunnels():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.far.close()

    def tunnels(self) -> list[int]:
        """Processes that carry the far end's port and a scenario's in their arguments: ours alone."""
        ours = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                argv = (entry / "cmdline").read_bytes().split(b"\0")
                if str(self.port).encode() in argv and any(b":127.0.0.1:1" in word for word in argv):
                    ours.append(int(entry.name))
        return ours


@dataclass(frozen=True)
class Outcome:
    """What Sentinel concluded about one scenario."""

    name: str
    truth: Truth
    origin: str
    strength: int
    span: str
    matchers: tuple[str, ...]
    seconds: float  # from the alert's arrival until its first attribution

    @property
    def right(self) -> bool:
        """The agent is named with the very tool call; or, where it was not the agent, nobody says it was."""
        if self.truth.agent:
            return self.origin == "model" and self.span == self.truth.span
        return self.origin in self.truth.origins if self.truth.origins else self.origin != "model"


def outcome(stage: Stage, number: int, truth: Truth) -> Outcome | None:
    """Of the strongest alert about that scenario's process, as it stands now; None while there is none."""
    current = Attribution.objects.filter(superseded_at=None).select_related("alert__rule", "tool_call")
    if truth.port:
        rows = list(current.filter(alert__detail__flow__src_port=truth.port))
    else:
        found = current.filter(
            alert__host=stage.host.host, alert__process__argv__contains=[f"{number}:127.0.0.1:1"]
        )
        rows = [row for row in found if row.alert.rule.behaviour == "reverse tunnel"]
    if not rows:
        return None
    row = max(rows, key=lambda row: row.strength)
    first = Attribution.objects.filter(alert=row.alert).order_by("id").first()
    assert first is not None
    return Outcome(
        name=stage.names[number],
        truth=truth,
        origin=row.origin,
        strength=row.strength,
        span=row.tool_call.span_id if row.tool_call else "",
        matchers=tuple(str(part["matcher"]) for part in row.basis),
        seconds=(first.made_at - row.alert.received_at).total_seconds(),
    )
