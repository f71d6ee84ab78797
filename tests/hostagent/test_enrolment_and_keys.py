"""Enrolment leaves a key that only its owner reads and a server key that alone gives orders."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hostagent import protocol
from hostagent.client import RefusedError
from hostagent.config import NotEnrolledError, State
from hostagent.enrol import AlreadyEnrolledError, enrol, identity_of
from hostagent.keys import HostKey, ServerKey, create_key, load_key
from hostagent.protocol import b64url, unb64url
from tests.hostagent.conftest import ENV
from tests.hostagent.stub import Stub


def test_the_host_is_known_and_its_secrets_are_its_own(state: State, stub: Stub) -> None:
    assert stub.enrolled["token"] == "t"
    assert stub.enrolled["hostname"]
    assert set(stub.enrolled["sensors"]) == {"processes", "sockets", "runs", "gpu"}
    assert all(one["mode"] for one in stub.enrolled["sensors"].values())
    assert stub.enrolled["capabilities"]["actions"] == ["PAUSE", "RESUME", "KILL"]
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(state.key_file.stat().st_mode) == 0o600
    assert state.identity().server_key == stub.public()
    assert load_key(state.key_file).public == stub.enrolled["public_key"]
    assert stub.bad == []


def test_a_second_enrolment_is_refused_and_changes_nothing(state: State, stub: Stub) -> None:
    before = state.identity_file.read_text()
    with pytest.raises(AlreadyEnrolledError):
        enrol(state, server=stub.url, token="t2")
    assert state.identity_file.read_text() == before


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(PermissionError, match="readable by others"):
        load_key(tmp_path / "key")


def test_a_key_is_never_overwritten_nor_written_through_a_link(tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    with pytest.raises(FileExistsError):
        create_key(tmp_path / "key")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        create_key(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_an_answer_of_something_else_than_sentinel_is_no_enrolment() -> None:
    with pytest.raises(ValueError, match="server_key"):
        identity_of({"agent_id": "a", "host_id": "h", "host_name": "n"}, server="http://x", ca_file=None)


def test_the_agent_says_in_one_sentence_why_it_cannot_run(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hostagent", "run", "--state", str(tmp_path / "empty")]
    done = subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not enrolled" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(NotEnrolledError):
        State(tmp_path / "empty").identity()


def test_a_refusal_by_the_server_is_told_as_it_is(tmp_path: Path, state: State, stub: Stub) -> None:
    stub.refuse_enrolment = True
    with pytest.raises(RefusedError, match="the token has expired"):
        enrol(State(tmp_path / "other"), server=stub.url, token="old")


def test_base64url_comes_back_and_other_text_is_refused() -> None:
    for size in range(40):
        assert unb64url(b64url(bytes(range(size)))) == bytes(range(size))
    for text in ("a b", "ä", "a", "a=a"):
        with pytest.raises(ValueError):
            unb64url(text)


def test_a_signature_holds_for_its_bytes_and_its_key_alone() -> None:
    key, other = HostKey(b"1" * 32), HostKey(b"2" * 32)
    data = protocol.request_bytes("POST", "/x", "a", "1", b"body")
    signature = key.sign(data)
    assert ServerKey(key.public).signed(data, signature)
    assert not ServerKey(other.public).signed(data, signature)
    assert not ServerKey(key.public).signed(data + b" ", signature)
    assert not ServerKey(key.public).signed(data, "")
    assert not ServerKey(key.public).signed(data, "x" * 86)


def test_what_is_signed_is_this_very_text() -> None:
    """The same bytes are reckoned on the server; a change here is a change of the protocol."""
    assert protocol.request_bytes("GET", "/agent/v1/orders", "a-1", protocol.freshness(5, "n"), b"") == (
        b"sentinel-agent/v1\nGET\n/agent/v1/orders\na-1\n5.n\n"
        b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert protocol.order_bytes("{}") == b"sentinel-order/v1\n{}"
    assert protocol.receipt_bytes("{}") == b"sentinel-receipt/v1\n{}"
