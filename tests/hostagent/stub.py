"""A server of a few lines that speaks the agent's protocol: enough to hold the agent to its side of it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hostagent import protocol
from hostagent.protocol import b64url, unb64url


@dataclass
class Stub:
    """Keeps what it was sent; answers as told."""

    batches: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # for the next batches
    away: bool = False  # answers orders, and nothing that is sent to it
    refuse_enrolment: bool = False
    looked: int = 0  # how often orders were asked for
    bad: list[str] = field(default_factory=list)
    agent_key: str = ""
    enrolled: dict[str, Any] = field(default_factory=dict)
    tls: tuple[str, str] | None = None  # certificate and key
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.key = ECC.generate(curve="Ed25519")
        self.bells: list[Any] = []
        self._probe = socket.socket()
        self._probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._probe.bind(("127.0.0.1", 0))
        self.port = self._probe.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None

    def start(self) -> None:
        config = uvicorn.Config(
            self.app,
            interface="asgi3",
            log_level="warning",
            lifespan="off",
            ws="websockets-sansio",
            timeout_keep_alive=60,
            ssl_certfile=self.tls[0] if self.tls else None,
            ssl_keyfile=self.tls[1] if self.tls else None,
        )
        self._server = uvicorn.Server(config)
        listening = self._probe.dup()
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(5)
        self._probe.close()  # or its backlog would go on taking calls that nobody answers

    def public(self) -> str:
        return b64url(self.key.public_key().export_key(format="raw"))

    def sign(self, data: bytes, key: Any = None) -> str:
        return b64url(eddsa.new(key or self.key, "rfc8032").sign(data))

    def order(
        self, payload: dict[str, Any], *, key: Any = None, listed: bool = True, brought: bool = True
    ) -> None:
        """Signs the order, lists it and rings; the bell brings it along."""
        text = json.dumps(payload)
        signed = {"payload": text, "signature": self.sign(protocol.order_bytes(text), key)}
        if listed:
            self.orders.append(signed)
        self.ring(*[signed] if brought else [])

    def ring(self, *orders: object) -> None:
        call = {"bell": "orders", "orders": list(orders)} if orders else {"bell": "orders"}
        for loop, queue in list(self.bells):
            loop.call_soon_threadsafe(queue.put_nowait, call)

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [record for number in sorted(self.batches) for record in self.batches[number]]
        return [record for record in found if kind is None or record["kind"] == kind]

    def stages(self, order_id: int) -> list[str]:
        """In the order of the steps: a result leaves the host before what led to it."""
        mine = [receipt for receipt in self.receipts if receipt["order_id"] == order_id]
        return [receipt["stage"] for receipt in sorted(mine, key=lambda one: one["seq"])]

    def wait(self, condition: Any, seconds: float = 15.0) -> Any:
        """The condition's first true value; an assertion error in time."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not (value := condition()):
                left = deadline - time.monotonic()
                assert left > 0, f"never came true; bad: {self.bad}"
                self.changed.wait(min(left, 0.1))
        return value

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._bell(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        with self.changed:
            status, answer = self._answer(scope["method"], scope["path"], headers, body)
            self.changed.notify_all()
        data = json.dumps(answer).encode()
        lines = [(b"content-length", str(len(data)).encode())]
        if "retry_after" in answer:
            lines.append((b"retry-after", str(answer["retry_after"]).encode()))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": lines,
            }
        )
        await send({"type": "http.response.body", "body": data})

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        now_ms = int(time.time() * 1000)
        if path == protocol.PATH_ENROL:
            return self._enrol(headers, body)
        if not self._signed(method, path, headers, body):
            self.bad.append(f"signature of {method} {path}")
            return 401, {"error": "bad_signature", "detail": ""}
        if self.away and method == "POST":
            return 503, {"error": "away"}
        if path == protocol.PATH_BATCHES:
            return self._batch(headers, body, now_ms)
        if path == protocol.PATH_ORDERS:
            self.looked += 1
            return 200, {"orders": self.orders}
        if path == protocol.PATH_RECEIPTS:
            for signed in json.loads(body):
                if not self._verify(protocol.receipt_bytes(signed["payload"]), signed["signature"]):
                    self.bad.append("signature of a receipt")
                receipt = json.loads(signed["payload"])
                if receipt not in self.receipts:  # one whose answer was lost comes again
                    self.receipts.append(receipt)
            return 200, {}
        return 404, {"error": "not_found"}

    def _enrol(self, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if self.refuse_enrolment:
            return 403, {"error": "token", "detail": "the token has expired"}
        self.enrolled = json.loads(body)
        self.agent_key = self.enrolled["public_key"]
        if not self._signed("POST", protocol.PATH_ENROL, headers, body):
            self.bad.append("signature of the enrolment")
        names = {"agent_id": "a-1", "host_id": "h-1", "host_name": "host-1", "server_key": self.public()}
        return 201, {**names, "server_time_ms": int(time.time() * 1000)}

    def _batch(self, headers: dict[str, str], body: bytes, now_ms: int) -> tuple[int, Any]:
        number = int(headers["sentinel-sequence"])
        if self.answers:
            return self.answers.pop(0)
        if number in self.bodies:
            if self.bodies[number] != body:
                return 409, {"error": "sequence_taken", "detail": ""}
            self.duplicates.append(number)
            return 202, {"sequence": number, "duplicate": True, "server_time_ms": now_ms}
        self.bodies[number] = body
        raw = gzip.decompress(body) if headers["content-encoding"] == "gzip" else body
        self.batches[number] = json.loads(raw)
        return 202, {"sequence": number, "server_time_ms": now_ms}

    def _signed(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
        fresh = headers.get("sentinel-sequence") or protocol.freshness(
            int(headers["sentinel-time"]), headers["sentinel-nonce"]
        )
        data = protocol.request_bytes(method, path, headers["sentinel-agent"], fresh, body)
        return self._verify(data, headers["sentinel-signature"])

    def _verify(self, data: bytes, signature: str) -> bool:
        try:
            key = eddsa.import_public_key(unb64url(self.agent_key))
            eddsa.new(key, "rfc8032").verify(data, unb64url(signature))
        except ValueError:
            return False
        return True

    async def _bell(self, scope: Any, receive: Any, send: Any) -> None:
        import asyncio

        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        await receive()
        if not self._signed("GET", scope["path"], headers, b""):
            self.bad.append("signature of the bell")
            await send({"type": "websocket.close", "code": 4401})
            return
        await send({"type": "websocket.accept"})
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        entry = (asyncio.get_running_loop(), queue)
        self.bells.append(entry)
        queue.put_nowait({"bell": "hello", "server_time_ms": int(time.time() * 1000)})

        async def speak() -> None:
            while True:
                await send({"type": "websocket.send", "text": json.dumps(await queue.get())})

        speaking = asyncio.create_task(speak())
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                beat = json.loads(message["text"])
                queue.put_nowait({**beat, "server_time_ms": int(time.time() * 1000)})
        finally:
            speaking.cancel()
            self.bells.remove(entry)
