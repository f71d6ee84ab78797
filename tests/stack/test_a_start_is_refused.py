"""What hinders a start is told in one sentence with the way out, and the exit code is not 0."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sentinel.env import ROOT
from sentinel.stack import access
from tests.stack.running import Stack

pytestmark = pytest.mark.stack


def one_sentence(said: str) -> str:
    """The line that begins as a refusal; a traceback would show as other lines."""
    assert "Traceback" not in said
    [line] = [line for line in said.splitlines() if line.startswith("Sentinel cannot start. ")]
    return line


def test_a_taken_port(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", stack.port)):
        said = one_sentence(stack.refusal())
    assert f"Port {stack.port} is taken" in said
    assert f"SENTINEL_PORT={stack.port + 1}" in said
    assert not (stack.home / "pg").exists()


def test_a_second_supervisor_on_the_same_home(running: Stack, tmp_path: Path) -> None:
    second = Stack(tmp_path, SENTINEL_HOME=str(running.home))
    assert "already runs on this folder" in one_sentence(second.refusal())
    assert running.pid("web"), "the refused start has thrown away the record of the running one"
    assert access.read(running.home)
    assert running.get("/accounts/login/") == 200


def test_a_home_that_cannot_be_made(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    stack.env["SENTINEL_HOME"] = str(tmp_path / "file" / "home")
    assert "set SENTINEL_HOME to a folder you may write to" in one_sentence(stack.refusal())


def test_a_home_of_another_user(stack: Stack) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    stack.home.mkdir()
    os.chown(stack.home, 65534, 65534)
    assert "belongs to another user" in one_sentence(stack.refusal())


def test_a_database_that_does_not_answer(stack: Stack) -> None:
    stack.env["DATABASE_URL"] = "postgresql://someone:a-secret@127.0.0.1:1/nothing"
    said = one_sentence(stack.refusal())
    assert "correct DATABASE_URL, or unset it" in said
    assert "a-secret" not in stack.said


def test_a_database_url_of_something_else(stack: Stack) -> None:
    stack.env["DATABASE_URL"] = "mysql://localhost/x"
    assert "DATABASE_URL has to begin with postgresql://" in one_sentence(stack.refusal())


def test_a_broker_that_does_not_answer(stack: Stack) -> None:
    stack.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert "correct REDIS_URL, or unset it" in one_sentence(stack.refusal())


def test_a_port_that_is_no_number(stack: Stack) -> None:
    stack.env["SENTINEL_PORT"] = "eighty"
    assert "SENTINEL_PORT is 'eighty'" in one_sentence(stack.refusal())


def test_a_drill_that_does_not_exist(stack: Stack) -> None:
    stack.env["SENTINEL_DRILL"] = "carthage"
    assert "set it to rome or off" in one_sentence(stack.refusal())


def inside_namespace(stack: Stack, script: str) -> str:
    """What the supervisor says when it starts as root of a user namespace prepared by `script`."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urm", "true"], check=False).returncode:
        pytest.skip("user namespaces are not permitted on this machine")
    argv = [
        unshare,
        "-Urm",
        "sh",
        "-ec",
        f'{script}; exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "sentinel.stack",
    ]
    done = subprocess.run(argv, cwd=ROOT, env=stack.env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return one_sentence(done.stdout + done.stderr)


def test_a_full_disk(stack: Stack) -> None:
    stack.home.mkdir()
    said = inside_namespace(stack, f"mount -t tmpfs -o size=50m none {stack.home}")
    assert "is full" in said
    assert "free some space" in said


def test_root_without_user_namespaces(stack: Stack) -> None:
    said = inside_namespace(stack, "echo 0 > /proc/sys/user/max_user_namespaces")
    assert "start Sentinel as an ordinary user" in said


def test_an_owner_without_an_address_for_the_services_is_refused(stack: Stack) -> None:
    stack.env["DATABASE_OWNER_URL"] = "postgresql://owner@127.0.0.1:1/nothing"
    assert "DATABASE_OWNER_URL needs DATABASE_URL beside it" in one_sentence(stack.refusal())
