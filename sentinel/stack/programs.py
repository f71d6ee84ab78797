"""What the stack starts beside its servers: each program's command line and what it may know."""

import os
import sys
from pathlib import Path

from sentinel.env import ROOT
from sentinel.stack.ledger import MARK
from sentinel.stack.options import Options
from sentinel.stack.processes import Child

# Only the first step of a start may know them: a password that becomes a hash there, and the database
# role that owns the tables.
ONLY_FOR_PREPARE = ("SENTINEL_ADMIN_PASSWORD", "DATABASE_OWNER_URL")
# The host agent holds no power over the server: it signs in with its own key like any other host's.
NOT_FOR_HOST_AGENT = ("DATABASE_URL", "REDIS_URL", "SENTINEL_SECRET_KEY", "DJANGO_SETTINGS_MODULE")
WORKERS = 2
MAX_SOCKET_MESSAGE = 64 * 1024


class Programs:
    """Makes the children of one start."""

    def __init__(
        self, options: Options, *, instance: str, database_url: str, owner_url: str, redis_url: str
    ) -> None:
        """Every child's environment is made from ours and the addresses of the servers."""
        self.options = options
        self.owner_url = owner_url
        self.env = {name: value for name, value in os.environ.items() if name not in ONLY_FOR_PREPARE} | {
            "SENTINEL_HOME": str(options.home),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "sentinel.settings",
            "PYTHONUNBUFFERED": "1",
            MARK: instance,
        }

    @property
    def agent_state(self) -> Path:
        """Where this machine's host agent keeps its key and spool."""
        return self.options.home / "hostagent"

    def child(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> Child:
        """A Python program of ours, run from the code's folder."""
        return Child(
            name=name,
            argv=[sys.executable, "-m", *arguments],
            log=self.options.home / "log" / f"{name}.log",
            env=self.env if env is None else env,
            cwd=ROOT,
        )

    def prepare(self) -> Child:
        """The step before the web process; its answer comes back on stdout."""
        given = {name: os.environ[name] for name in ONLY_FOR_PREPARE if name in os.environ}
        owner = {"DATABASE_OWNER_URL": self.owner_url}
        child = self.child("prepare", "sentinel.stack.prepare", env=self.env | given | owner)
        child.capture = True
        return child

    def web(self) -> Child:
        """Pages, API, sockets and the host agents' door: one process."""
        forwarded = [] if self.options.behind_tls else ["--no-proxy-headers"]
        address = ["--host", self.options.bind, "--port", str(self.options.port)]
        sockets = ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
        limits = ["--ws-max-size", str(MAX_SOCKET_MESSAGE), "--timeout-graceful-shutdown", "3"]
        # A host agent asks for orders every 15 s: an order must not find its connection closed.
        limits += ["--timeout-keep-alive", "30"]
        quiet = ["--no-access-log", "--no-server-header", *forwarded]
        return self.child("web", "uvicorn", "sentinel.asgi:application", *address, *sockets, *limits, *quiet)

    def worker(self) -> Child:
        """Celery's worker. It meets no other worker here, so it greets none."""
        alone = ["--without-gossip", "--without-mingle", "-n", "sentinel@%h"]
        return self.child("worker", "celery", "-A", "sentinel", "worker", "-c", str(WORKERS), *alone)

    def beat(self) -> Child:
        """Celery's clock."""
        schedule = ["-s", str(self.options.home / "run" / "beat"), "--pidfile="]
        return self.child("beat", "celery", "-A", "sentinel", "beat", *schedule)

    def host_agent(self, name: str, *arguments: str, **extra: str) -> Child:
        """The host agent's command line, with nothing of the server's in its environment."""
        env = {key: value for key, value in self.env.items() if key not in NOT_FOR_HOST_AGENT}
        state = ["--state", str(self.agent_state)]
        return self.child(name, "hostagent", *arguments, *state, env=env | extra)

    def enrolment(self, token: str) -> Child:
        """The host agent's one-time sign-up; the token goes by the environment, argv is public."""
        server = self.options.loopback
        return self.host_agent("enrol", "enrol", "--server", server, SENTINEL_ENROL_TOKEN=token)
