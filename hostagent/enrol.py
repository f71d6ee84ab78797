"""Enrolment: this host's key becomes known to the server, and the server's key to this host."""

from __future__ import annotations

import json
from typing import Any

from hostagent import __version__, facts, protocol
from hostagent.client import Client, signed_headers
from hostagent.config import Identity, State
from hostagent.keys import ServerKey, create_key, load_key
from hostagent.sensors.survey import survey


class AlreadyEnrolledError(Exception):
    """This state directory already belongs to a server."""


def enrol(
    state: State, *, server: str, token: str, ca_file: str | None = None, allow_drills: bool = False
) -> Identity:
    """The state directory holds a key the server knows and the server key that alone may give orders."""
    state.prepare()
    if state.identity_file.exists():
        raise AlreadyEnrolledError(f"{state.root} is already enrolled at {state.identity().server}")
    key = load_key(state.key_file) if state.key_file.exists() else create_key(state.key_file)
    request: protocol.EnrolRequest = {
        "token": token,
        "public_key": key.public,
        "hostname": facts.hostname(),
        "machine_id": facts.machine_id(),
        "boot_id": facts.boot_id(),
        "version": __version__,
        "capabilities": facts.capabilities(),
        "sensors": survey(),
    }
    body = json.dumps(request).encode()
    headers = {
        **signed_headers(key, protocol.NO_AGENT, "POST", protocol.PATH_ENROL, body),
        "Content-Type": "application/json",
    }
    client = Client(server, ca_file=ca_file)
    try:
        reply = client.request("POST", protocol.PATH_ENROL, body=body, headers=headers).body
    finally:
        client.close()
    identity = identity_of(reply, server=server.rstrip("/"), ca_file=ca_file, allow_drills=allow_drills)
    ServerKey(identity.server_key)  # refuse a key we could not check orders with
    state.save_identity(identity)
    return identity


def identity_of(
    reply: dict[str, Any], *, server: str, ca_file: str | None, allow_drills: bool = False
) -> Identity:
    """Who the server says we are; ValueError when it does not say it all."""
    given = {name: reply.get(name) for name in ("agent_id", "host_id", "host_name", "server_key")}
    missing = [name for name, value in given.items() if not isinstance(value, str) or not value]
    if missing:
        raise ValueError(f"the server's answer lacks {', '.join(missing)}: is {server} a Sentinel server?")
    said = {name: str(value) for name, value in given.items()}
    return Identity(server=server, ca_file=ca_file, allow_drills=allow_drills, **said)
