"""The bell: a WebSocket on which the server says that there is something to fetch, or brings it along."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from hostagent import protocol
from hostagent.client import AgentClient, tls_context
from hostagent.clock import Clock
from hostagent.config import Identity
from hostagent.orders import signed_orders
from hostagent.protocol import Signed

log = logging.getLogger(__name__)

BEAT_S = 10.0
SILENCE_S = 25.0  # a socket that says nothing for this long is dead, whatever TCP believes
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
MAX_FRAME_BYTES = 64 * 1024


class Bell:
    """Keeps the socket up; `up` says whether it is.

    `ring` is given the orders that came along, not judged yet; none means to fetch. It is called once after
    every (re)connection.
    """

    def __init__(
        self, identity: Identity, client: AgentClient, clock: Clock, ring: Callable[[list[Signed]], None]
    ) -> None:
        self._identity = identity
        self._client = client
        self._clock = clock
        self._ring = ring
        self._problem = ""
        self.up = False

    def run(self, stop: threading.Event) -> None:
        wait = FIRST_WAIT_S
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._listen(stop)
            except (OSError, WebSocketException) as error:
                self._note(f"bell down: {error}")
            except Exception:
                log.exception("bell down")
            self.up = False
            wait = (
                FIRST_WAIT_S if time.monotonic() - began > LONGEST_WAIT_S else min(wait * 2, LONGEST_WAIT_S)
            )
            stop.wait(wait)

    def _note(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning(problem)
        self._problem = problem

    def _listen(self, stop: threading.Event) -> None:
        with self._connect() as socket:
            self.up = True
            self._note("")
            self._ring([])  # whatever was ordered while the bell was down
            beat_due, heard = time.monotonic(), time.monotonic()
            while not stop.is_set():
                now = time.monotonic()
                if now >= beat_due:
                    socket.send(json.dumps({"beat": int(time.time() * 1000)}))
                    beat_due = now + BEAT_S
                try:
                    frame = socket.recv(timeout=min(1.0, beat_due - now))
                except TimeoutError:
                    if now - heard > SILENCE_S:
                        raise
                    continue
                heard = time.monotonic()
                self._hear(frame)

    def _connect(self) -> ClientConnection:
        server = self._identity.server
        return connect(
            server.replace("http", "ws", 1) + protocol.PATH_BELL,
            additional_headers=self._client.headers("GET", protocol.PATH_BELL),
            ssl=tls_context(self._identity.ca_file) if server.startswith("https") else None,
            proxy=None,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=5,
            close_timeout=1,
            ping_interval=None,
            user_agent_header=None,
        )

    def _hear(self, frame: str | bytes) -> None:
        got_at = time.time()
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        if message.get("bell") == "orders":
            self._ring(signed_orders(message))
        sent_ms = message.get("beat")
        if isinstance(sent_ms, int):
            self._clock.observe(message.get("server_time_ms"), sent_at=sent_ms / 1000, got_at=got_at)
