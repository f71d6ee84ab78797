"""`POST /agent/v1/enrol`: proof of the key, clear refusals, and a limit on tries."""

import json
import secrets
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from apps.audit.services import SYSTEM
from apps.core.keys import b64, public_key
from apps.fleet.models import Host, HostAgent
from apps.fleet.services import offer_enrolment
from hostagent import protocol

pytestmark = pytest.mark.django_db


def asked(key: Ed25519PrivateKey, **changed: Any) -> dict[str, Any]:
    return {
        "token": offer_enrolment(SYSTEM),
        "public_key": b64(key.public_key().public_bytes_raw()),
        "hostname": "trainer-7",
        "machine_id": "m7",
        "boot_id": "b",
        "version": "0.1.0",
        "capabilities": {"kill": "cgroup.kill"},
        "sensors": {"processes": {"mode": "sweep", "ok": True, "blind": "short ones"}},
    } | changed


def knock(key: Ed25519PrivateKey, content: Any, **headers: str) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    now, nonce = str(time.time_ns() // 1_000_000), secrets.token_hex(8)
    message = protocol.request_bytes("POST", protocol.PATH_ENROL, protocol.NO_AGENT, f"{now}.{nonce}", body)
    signed = {
        "Sentinel-Agent": protocol.NO_AGENT,
        "Sentinel-Time": now,
        "Sentinel-Nonce": nonce,
        "Sentinel-Signature": b64(key.sign(message)),
    } | headers
    return Client().post(protocol.PATH_ENROL, body, content_type="application/json", headers=signed)


def test_host_learns_who_it_is_and_whose_orders_to_obey() -> None:
    key = Ed25519PrivateKey.generate()
    answer = knock(key, asked(key))
    assert answer.status_code == 201
    agent = HostAgent.objects.get()
    said = answer.json()
    assert said["agent_id"] == str(agent.uuid)
    assert (said["host_name"], said["server_key"]) == ("trainer-7", public_key("server"))
    assert agent.capabilities == {"kill": "cgroup.kill"}


def test_whoever_does_not_hold_the_key_is_refused() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    answer = knock(other, asked(key))
    assert (answer.status_code, answer.json()["error"]) == (401, "bad-signature")
    assert not Host.objects.exists()


def test_wrong_token_is_refused_with_a_code() -> None:
    key = Ed25519PrivateKey.generate()
    answer = knock(key, asked(key, token="sen-wrong"))
    assert (answer.status_code, answer.json()["error"]) == (403, "unknown-token")


@pytest.mark.parametrize(
    "changed",
    [
        {"public_key": "short"},
        {"public_key": 7},
        {"public_key": "é" * 43},
        {"hostname": ""},
        {"hostname": "x" * 121},
        {"hostname": None},
        {"machine_id": 5},
        {"token": None},
        {"capabilities": [1]},
        {"sensors": "all"},
    ],
)
def test_wrong_fields_are_named(changed: dict[str, Any]) -> None:
    key = Ed25519PrivateKey.generate()
    answer = knock(key, asked(key, **changed))
    assert answer.status_code == 400, answer.content
    assert answer.json()["detail"].endswith(".")
    assert not Host.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_body_that_is_no_object(body: bytes) -> None:
    assert knock(Ed25519PrivateKey.generate(), body).status_code == 400


def test_body_that_is_too_large() -> None:
    key = Ed25519PrivateKey.generate()
    assert knock(key, asked(key, extra="x" * 300_000)).status_code == 413


def test_other_methods_are_refused() -> None:
    answer = Client().get(protocol.PATH_ENROL)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_guessing_is_slowed_down() -> None:
    key = Ed25519PrivateKey.generate()
    answers = [knock(key, asked(key, token=f"sen-{number}")) for number in range(25)]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert not Host.objects.exists()


def test_clone_is_told_that_it_is_one() -> None:
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    assert knock(first, asked(first)).json()["clone"] is False
    assert knock(second, asked(second)).json()["clone"] is True
