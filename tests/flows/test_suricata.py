"""A real Suricata sees a real connection on the wire: its alert finds the way back to the tool call."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.attribution.models import Attribution
from apps.detection.models import Alert
from apps.fleet.models import HostAgent
from apps.gateway import ingest
from apps.telemetry.models import Connection, ToolCall
from tests.flows.training_host import until
from tests.flows.wire import Wire, wire
from tests.gateway.reporting import Sensor
from tests.live import ROOT

SURICATA = shutil.which("suricata")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces of its own need root"),
    pytest.mark.skipif(SURICATA is None, reason="suricata is not installed"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]
CALLER = Path(__file__).with_name("caller.py")
LISTEN = "import socket, sys, time; s = socket.create_server((sys.argv[1], 4444)); time.sleep(600)"
RULE = (
    'alert tcp any any -> {far} 4444 (msg:"Outbound connection to an unknown host"; flags:S,12;'
    " classtype:policy-violation; metadata: mitre_technique_id T1571; sid:9000001; rev:1;)\n"
)


@pytest.fixture
def link() -> Iterator[Wire]:
    try:
        with wire() as one:
            yield one
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace can be made here: {error}")


@contextlib.contextmanager
def program(*command: str, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of the block, and what it started with it."""
    with log.open("wb") as out:
        one = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | env, start_new_session=True)
        try:
            yield one
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def shipper() -> str:
    """The line of the document, to the letter."""
    text = (ROOT / "docs" / "alerts-in.md").read_text()
    found = re.search(r"## Suricata\n.*?```sh\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def sees(link: Wire, folder: Path) -> Any:
    rules = folder / "local.rules"
    rules.write_text(RULE.format(far=link.far))
    command = [
        str(SURICATA), "-c", "/etc/suricata/suricata.yaml", "-S", str(rules), "-l", str(folder), "-k", "none",
        f"--af-packet={link.name}", "--pidfile", str(folder / "pid"), "--set", "unix-command.enabled=no",
        "--runmode", "single",
    ]  # fmt: skip
    return program(*command, log=folder / "out")


def is_up(log: Path) -> bool:
    return log.exists() and "engine started" in log.read_text().lower()


def worked_off(met: Any) -> Any:
    """`met`, while what comes in is worked off."""
    return until(lambda: (ingest.work_off(), met())[1])


def test_firewall_alert_ends_up_with_process_run_and_tool_call(
    server: Any, training_host: Any, link: Wire, tmp_path: Path
) -> None:
    sensor = Sensor("suricata", "edge firewall")
    listener = link.outside(sys.executable, "-c", LISTEN, link.far)
    with program(*listener, log=tmp_path / "far"), sees(link, tmp_path):
        until(lambda: is_up(tmp_path / "suricata.log"), what="Suricata is up")
        run, _ = training_host.launch("kestrel", sys.executable, str(CALLER), link.far, "4444")
        eve = tmp_path / "eve.json"
        until(lambda: eve.exists() and b'"event_type":"alert"' in eve.read_bytes(), what="Suricata saw it")
        mine = Connection.objects.filter(remote=f"{link.far}:4444", process__isnull=False)
        opened = worked_off(mine.first)
        assert b'"pid"' not in next(line for line in eve.read_bytes().splitlines() if b'"alert"' in line)
        given = {"EVE": str(eve), "TOKEN": sensor.text, "SERVER": server.address}
        with program("sh", "-c", shipper(), log=tmp_path / "shipper", **given):
            alert = worked_off(lambda: Alert.objects.filter(report__source=sensor.source).first())
    assert alert.title == "Outbound connection to an unknown host"
    assert (alert.process_id, alert.run_id) == (opened.process_id, run.pk)
    assert alert.process.argv[:2] == [sys.executable, "-c"]
    assert link.far in alert.process.argv
    call = worked_off(ToolCall.objects.filter(run=run).first)  # its process names it before its trace tells
    current = Attribution.objects.filter(alert=alert, superseded_at=None)
    found = worked_off(current.filter(tool_call=call).first)
    assert found.origin == "model"
    assert link.near in HostAgent.objects.get(pk=training_host.agent.pk).addresses
