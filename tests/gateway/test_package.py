"""What the server hands to a training host: the whole agent, always the same bytes, to those with a token."""

import ast
import gzip
import io
import re
import subprocess
import sys
import tarfile
import tomllib
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.audit.services import By
from apps.fleet.invitation import install_command
from apps.fleet.models import EnrolmentToken
from apps.fleet.services import offer_enrolment
from apps.gateway import package

PACKAGE, INSTALL = "/agent/v1/package", "/agent/v1/install"


def members() -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(package.archive())) as tar:
        return {entry.name: entry for entry in tar}


def test_two_servers_of_the_same_parts_hand_out_the_same_bytes() -> None:
    code = (
        "import django, sys; django.setup(); from apps.gateway import package;"
        "sys.stdout.buffer.write(package.archive())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, check=True
    )
    assert done.stdout == package.archive()


def test_the_archive_carries_no_time_no_owner_and_no_cache() -> None:
    assert gzip.GzipFile(fileobj=io.BytesIO(package.archive())).read1(1)
    for name, entry in members().items():
        assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (0, 0, 0, "", 0o644), name
        assert "__pycache__" not in name


def test_the_whole_agent_is_in_it_and_every_extension_fits_any_python() -> None:
    names = set(members())
    agent = Path(settings.BASE_DIR) / "hostagent"
    assert {f"site-packages/hostagent/{path.relative_to(agent)}" for path in agent.rglob("*.py")} <= names
    extensions = {name for name in names if name.endswith(".so")}
    assert extensions
    assert all(name.endswith(".abi3.so") for name in extensions)


def test_it_carries_just_what_the_agent_declares_with_their_licences() -> None:
    declared = tomllib.loads((Path(settings.BASE_DIR) / "hostagent" / "pyproject.toml").read_text())
    needed = [re.split(r"[~=<>]", line)[0] for line in declared["project"]["dependencies"]]
    assert tuple(needed) == package.CARRIED
    names = set(members())
    for name in needed:
        inside = re.compile(rf"/{name.replace('-', '_')}-[\d.]+\.dist-info/(?:(.*/)?LICEN[CS]E|METADATA)")
        terms = [found for found in names if inside.search(found)]
        assert len(terms) > 1 or b"License: BSD" in package_member(terms[0]), name  # NVIDIA ships no text


def package_member(name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package.archive())) as tar:
        found = tar.extractfile(name)
        assert found
        return found.read()


def test_nothing_lies_beside_the_packages() -> None:
    tops = {PurePosixPath(name).parts[1] for name in members() if name.startswith("site-packages/")}
    allowed = {"hostagent", "Crypto", "websockets", "pynvml.py"}
    assert {top for top in tops if not top.endswith(".dist-info")} == allowed


def test_the_agent_imports_nothing_that_is_not_carried() -> None:
    allowed = sys.stdlib_module_names | {"hostagent", "Crypto", "websockets"}
    for path in (Path(settings.BASE_DIR) / "hostagent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module or ""]
            assert {name.split(".")[0] for name in found} <= allowed, path


def test_it_says_which_hosts_it_fits() -> None:
    fits = package.fits()
    assert fits["machine"] == "x86_64" if sys.platform == "linux" else fits["machine"]
    assert fits["libc_version"] >= [2, 5]  # type: ignore[operator]
    wanted = tomllib.loads((Path(settings.BASE_DIR) / "hostagent" / "pyproject.toml").read_text())
    low, high = package.PYTHONS
    assert wanted["project"]["requires-python"] == f">={low[0]}.{low[1]},<{high[0]}.{high[1] + 1}"


@pytest.mark.django_db
def test_only_an_open_token_gets_the_archive_and_does_not_lose_by_it() -> None:
    token = offer_enrolment(By("person", "ana"))
    client = Client()
    assert client.get(PACKAGE).status_code == 401
    assert client.get(PACKAGE, headers={"Authorization": "Bearer sen-unknown"}).status_code == 401
    for _ in range(2):
        answer = client.get(PACKAGE, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert answer.content == package.archive()
    EnrolmentToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(PACKAGE, headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_script_knows_where_it_came_from_and_runs_only_when_it_is_whole() -> None:
    text = Client().get(INSTALL, headers={"Host": "localhost:8000"}).content.decode()
    assert "server=http://localhost:8000\n" in text
    assert "@SERVER@" not in text
    assert text.rstrip().endswith('main "$@"')
    half = text[: text.index("main() {")]
    done = subprocess.run(["sh", "-s"], input=half, capture_output=True, text=True, check=False, env={})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("host", ["evil.example", "$(id)", "localhost;id", "localhost'"])
def test_a_foreign_host_header_gets_no_script(host: str) -> None:
    answer = Client(raise_request_exception=False).get(INSTALL, headers={"Host": host})
    assert answer.status_code == 400
    assert b"main" not in answer.content


def test_the_one_command_keeps_the_token_out_of_every_argument(tmp_path: Path) -> None:
    token, seen = "sen-x'; id; '", tmp_path / "arguments"
    curl = tmp_path / "curl"
    curl.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$*\" >{seen}\necho 'printf %s \"$*|$SENTINEL_ENROL_TOKEN\"'\n"
    )
    curl.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", install_command("http://sentinel:8000/", token)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"|{token}"
    assert seen.read_text() == "-fsS http://sentinel:8000/agent/v1/install\n"
