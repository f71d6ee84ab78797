"""One command puts a second host under watch: another network, no package index, no Python of ours.

The "host" is a network namespace with one cable to the server. It is made here and removed again.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from apps.audit.services import By
from apps.fleet.invitation import install_command
from apps.fleet.models import EnrolmentToken, HostAgent
from apps.fleet.services import offer_enrolment
from apps.telemetry.models import Batch
from tests.live import database_url

SYSTEM_PYTHON = "/usr/bin/python3"
PORT = 8077


def lacking() -> str:
    """Why this cannot be tried here; empty where it can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "a network namespace needs root on Linux"
    for program in ("ip", "nsenter", "curl"):
        if not shutil.which(program):
            return f"{program} is missing"
    probe = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    if subprocess.run([SYSTEM_PYTHON, "-I", "-c", probe], check=False).returncode:
        return "the machine's own Python is not 3.11 to 3.13"
    return ""


pytestmark = [
    pytest.mark.skipif(bool(lacking()), reason=lacking()),
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
]


@dataclass
class Elsewhere:
    """The second host's network, seen from there and from here."""

    name: str
    server: str

    def run(self, command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """As a shell on that host would: nothing of this process's environment goes along."""
        # Not `ip netns exec`: it mounts another /sys and hides the control groups.
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
             *(f"{name}={value}" for name, value in env.items()), "sh", "-c", command],
            capture_output=True, text=True, check=False, timeout=180, cwd="/",
        )  # fmt: skip


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    mark = secrets.token_hex(3)
    name, near, far = f"sentinel-{mark}", f"sn{mark}a", f"sn{mark}b"
    net = f"198.18.{secrets.randbelow(256)}"
    ip("netns", "add", name)
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        ip("addr", "add", f"{net}.1/30", "dev", near)
        ip("link", "set", near, "up")
        for words in (
            ("addr", "add", f"{net}.2/30", "dev", far),
            ("link", "set", far, "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", name, *words)
        yield Elsewhere(name, f"http://{net}.1:{PORT}")
    finally:
        subprocess.run(["ip", "link", "del", near], check=False, capture_output=True)
        ip("netns", "del", name)


@pytest.fixture
def server(elsewhere: Elsewhere) -> Iterator[str]:
    """The real web process, listening on the cable's near end alone."""
    host = elsewhere.server.removeprefix("http://").split(":")[0]
    env = os.environ | {
        "DATABASE_URL": database_url(),
        "SENTINEL_HOSTS": host,
        "SENTINEL_LOG_LEVEL": "WARNING",
    }
    command = [
        sys.executable, "-m", "uvicorn", "sentinel.asgi:application", "--host", host, "--port", str(PORT),
        "--ws", "websockets-sansio", "--no-access-log", "--log-level", "warning",
        "--timeout-graceful-shutdown", "2",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=env)
    try:
        until(
            lambda: (
                elsewhere.run(f"curl -fsS -o /dev/null {elsewhere.server}/agent/v1/install").returncode == 0
            )
        )
        yield elsewhere.server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)


def until(true: Callable[[], bool], *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.1)


def stop(state: Path) -> None:
    pid = int((state / "agent.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_the_one_command_of_the_hosts_page_puts_a_host_under_watch(
    elsewhere: Elsewhere, server: str, tmp_path: Path
) -> None:
    prefix, state = tmp_path / "agent", tmp_path / "state"
    token = offer_enrolment(By("person", "ana"))
    line = f"{install_command(server, token)} -s -- --prefix {prefix} --state {state}"
    done = elsewhere.run(line, SENTINEL_PYTHON=SYSTEM_PYTHON)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The host agent watches this host." in done.stdout
    try:
        agent = HostAgent.objects.get()
        assert agent.state == "active"
        assert EnrolmentToken.objects.get().used_by == agent
        until(lambda: Batch.objects.filter(agent=agent).exists())
        _owes_nothing_to_this_environment(prefix)
        _a_second_time_changes_the_program_alone(elsewhere, server, prefix, state)
    finally:
        stop(state)
        connection.close()


def _owes_nothing_to_this_environment(prefix: Path) -> None:
    """Every module that the installed agent loads is its own or the machine's."""
    code = (
        "import sys, hostagent.agent, hostagent.observer, hostagent.bell\n"
        "import websockets, Crypto.Signature.eddsa, pynvml\n"
        "print(*sorted({getattr(m, '__file__', None) or '' for m in sys.modules.values()}), sep='\\n')"
    )
    run = [prefix / "bin" / "python3", "-I", "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env={}, cwd="/")
    loaded = [line for line in done.stdout.splitlines() if line]
    assert any(line.startswith(str(prefix)) for line in loaded)
    for line in loaded:
        assert line.startswith((str(prefix), "/usr/lib/python3.")), line


def _a_second_time_changes_the_program_alone(
    elsewhere: Elsewhere, server: str, prefix: Path, state: Path
) -> None:
    """With a new token: the old agent is stopped, the new one goes on under the same key."""
    before, key = (state / "agent.pid").read_text(), (state / "agent.json").read_text()
    token = offer_enrolment(By("person", "ana"))
    line = f"{install_command(server, token)} -s -- --prefix {prefix} --state {state}"
    done = elsewhere.run(line, SENTINEL_PYTHON=SYSTEM_PYTHON)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "enrolled already" in done.stdout
    assert (state / "agent.pid").read_text() != before
    assert (state / "agent.json").read_text() == key
    assert not Path(f"/proc/{before.strip()}").exists()
    assert HostAgent.objects.count() == 1


@pytest.mark.parametrize(
    ("token", "python", "said"),
    [
        ("sen-unknown", SYSTEM_PYTHON, "the token is not known, was used or has expired"),
        ("", SYSTEM_PYTHON, "no enrolment token"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence_and_nothing_is_left(
    elsewhere: Elsewhere, server: str, tmp_path: Path, token: str, python: str, said: str
) -> None:
    prefix, state = tmp_path / "agent", tmp_path / "state"
    line = f"{install_command(server, token)} -s -- --prefix {prefix} --state {state}"
    done = elsewhere.run(line, SENTINEL_PYTHON=python)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_host_of_another_make_is_told_so(elsewhere: Elsewhere, server: str, tmp_path: Path) -> None:
    """`uname` says another machine, as under a kernel of another architecture."""
    token = offer_enrolment(By("person", "ana"))
    line = (
        f"{install_command(server, token)} -s -- --prefix {tmp_path / 'agent'} --state {tmp_path / 'state'}"
    )
    done = elsewhere.run(f"setarch i686 sh -c {_quoted(line)}", SENTINEL_PYTHON=SYSTEM_PYTHON)
    assert done.returncode != 0
    assert "hands out the host agent for Linux on x86_64, this host is Linux on i686" in done.stderr
    assert list(tmp_path.iterdir()) == []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
