"""A real web process over the database of the test, and a browser's socket to it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings
from django.db import connection
from django.test import Client
from websockets.sync.client import ClientConnection, connect

from apps.accounts.models import User
from sentinel.stack.postgres import SERVICES

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port of the loopback that nobody holds right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """The test's own database, as web, worker and beat reach it: with the services' role, not the owner's."""
    given = connection.settings_dict
    password = (settings.KEYS_DIR / "postgres-app.password").read_text().strip()
    user = f"{SERVICES}:{quote(password)}"
    query = f"?host={quote(str(given['HOST']))}" + (f"&port={given['PORT']}" if given["PORT"] else "")
    return f"postgresql://{user}@/{quote(given['NAME'])}{query}"


@dataclass
class Web:
    """One uvicorn, as the stack starts it."""

    port: int = field(default_factory=free_port)
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = os.environ | {"DATABASE_URL": database_url(), "SENTINEL_LOG_LEVEL": "WARNING"} | self.env
        command = [
            sys.executable, "-m", "uvicorn", "sentinel.asgi:application",
            "--host", "127.0.0.1", "--port", str(self.port),
            "--ws", "websockets-sansio", "--ws-per-message-deflate", "false",
            "--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning",
            "--timeout-graceful-shutdown", "3", "--timeout-keep-alive", "30",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=ROOT, env=env)
        deadline = time.monotonic() + 30
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the web process did not come up")
            time.sleep(0.05)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        """As the kernel would: nothing is said to anybody."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=10)

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        asked = urllib.request.Request(  # noqa: S310
            self.address + path, data=body or None, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")


@contextlib.contextmanager
def web(**env: str) -> Iterator[Web]:
    """A web process for the length of the block."""
    server = Web(env=env)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def session_of(user: User) -> str:
    """The cookie of somebody who signed in."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Page:
    """A browser's page as the feed sees it: a cursor, topics, and what arrived."""

    open: ClassVar[list["Page"]] = []

    def __init__(
        self, server: Web, session: str | None, *, origin: str | None = None, queue: int = 16
    ) -> None:
        cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if session else {}
        self.socket: ClientConnection = connect(
            f"ws://127.0.0.1:{server.port}/ws/feed/",
            origin=origin or server.address,
            additional_headers=cookie,
            compression=None,
            max_size=None,
            max_queue=queue,
        )
        self.names: set[str] = set()
        self.cursor: int | None = None
        self.seen: list[int] = []
        Page.open.append(self)

    def subscribe(self, *topics: str, cursor: int | None = None) -> dict[str, Any]:
        """Sends the subscription and answers with the hello."""
        self.socket.send(json.dumps({"subscribe": topics, "cursor": cursor}))
        return self.until("hello")

    def until(self, name: str, *, seconds: float = 45) -> dict[str, Any]:
        """The next frame that has `name`; entries and cursors on the way are kept."""
        deadline = time.monotonic() + seconds
        while True:
            frame = json.loads(self.socket.recv(timeout=max(0.01, deadline - time.monotonic())))
            self.seen += [entry["id"] for entry in frame.get("entries", [])]
            self.names |= frame.keys()
            self.cursor = frame.get("cursor", self.cursor)
            if name in frame:
                return frame

    def until_seen(self, number: int, *, seconds: float = 45) -> None:
        """Entry `number` has arrived."""
        while number not in self.seen:
            self.until("entries", seconds=seconds)

    def close(self) -> None:
        self.socket.close()

    @classmethod
    def close_all(cls) -> None:
        """No socket of this test is there in the next one."""
        while cls.open:
            cls.open.pop().close()
