"""Signed requests to the server over one kept-alive connection."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hostagent import protocol
from hostagent.config import Identity
from hostagent.keys import HostKey

MAX_REPLY_BYTES = 4 * 1024 * 1024
# What a server that closed an idle connection looks like; asking again on a new one is safe
STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, http.client.CannotSendRequest)
UNREACHABLE = (OSError, http.client.HTTPException)


class RefusedError(Exception):
    """The server answered, and it was no."""

    def __init__(self, status: int, error: str, detail: str, retry_after: float | None) -> None:
        super().__init__(f"{status} {error}: {detail}")
        self.status = status
        self.error = error
        self.detail = detail
        self.retry_after = retry_after


@dataclass(frozen=True)
class Reply:
    """A 2xx answer, with the host's clock just before and after."""

    body: dict[str, Any]
    sent_at: float
    got_at: float


class Client:
    """One connection to one server; not shared between threads."""

    def __init__(self, server: str, *, ca_file: str | None = None, timeout: float = 10.0) -> None:
        self._url = urlsplit(server)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError(f"not a server address: {server}")
        self._tls = tls_context(ca_file) if self._url.scheme == "https" else None
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def request(self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str]) -> Reply:
        """The server's 2xx answer; RefusedError for any other, OSError when there was none."""
        sent_at = time.time()
        try:
            response = self._send(method, path, body, headers)
        except STALE:
            self.close()
            sent_at = time.time()
            response = self._send(method, path, body, headers)
        try:
            data = response.read(MAX_REPLY_BYTES)
        except UNREACHABLE:
            self.close()
            raise
        if not response.isclosed():
            self.close()  # a longer answer than any of ours; do not read on
        return Reply(accepted(response, data), sent_at, time.time())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        connection = self._connection or self._connect()
        try:
            connection.request(method, path, body=body or None, headers=dict(headers))
            return connection.getresponse()
        except UNREACHABLE:
            self.close()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._tls is not None:
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=self._tls
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        return self._connection


class AgentClient:
    """A client whose every request is signed by this host's key."""

    def __init__(self, identity: Identity, key: HostKey, *, timeout: float = 10.0) -> None:
        self._client = Client(identity.server, ca_file=identity.ca_file, timeout=timeout)
        self._agent_id = identity.agent_id
        self._key = key

    def get(self, path: str) -> Reply:
        return self._client.request("GET", path, headers=self.headers("GET", path))

    def post(self, path: str, body: bytes) -> Reply:
        headers = {**self.headers("POST", path, body=body), "Content-Type": "application/json"}
        return self._client.request("POST", path, body=body, headers=headers)

    def post_batch(self, sequence: int, body: bytes, *, encoding: str) -> Reply:
        path = protocol.PATH_BATCHES
        signed = protocol.request_bytes("POST", path, self._agent_id, str(sequence), body)
        headers = {
            protocol.HEADER_AGENT: self._agent_id,
            protocol.HEADER_SEQUENCE: str(sequence),
            protocol.HEADER_SIGNATURE: self._key.sign(signed),
            "Content-Type": "application/json",
            "Content-Encoding": encoding,
        }
        return self._client.request("POST", path, body=body, headers=headers)

    def headers(self, method: str, path: str, *, body: bytes = b"") -> dict[str, str]:
        """What makes a request without a sequence this host's own, once."""
        return signed_headers(self._key, self._agent_id, method, path, body)

    def close(self) -> None:
        self._client.close()


def signed_headers(key: HostKey, agent_id: str, method: str, path: str, body: bytes) -> dict[str, str]:
    now_ms, nonce = int(time.time() * 1000), secrets.token_urlsafe(16)
    fresh = protocol.freshness(now_ms, nonce)
    return {
        protocol.HEADER_AGENT: agent_id,
        protocol.HEADER_TIME: str(now_ms),
        protocol.HEADER_NONCE: nonce,
        protocol.HEADER_SIGNATURE: key.sign(protocol.request_bytes(method, path, agent_id, fresh, body)),
    }


def accepted(response: http.client.HTTPResponse, data: bytes) -> dict[str, Any]:
    """The JSON object of a 2xx answer; everything else is raised as RefusedError."""
    try:
        body = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        body = {}
    if not isinstance(body, dict):
        body = {}
    if 200 <= response.status < 300:
        return body
    raise RefusedError(
        response.status,
        str(body.get("error", response.reason))[:100],
        str(body.get("detail", ""))[:500],
        seconds(response.getheader("Retry-After")),
    )


def seconds(text: str | None) -> float | None:
    """Retry-After in seconds, bounded; a date or nonsense counts as absent."""
    try:
        return min(max(float(text or ""), 0.0), 300.0)
    except ValueError:
        return None


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
