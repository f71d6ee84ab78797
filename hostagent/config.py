"""The state directory: what the agent knows across restarts, and where each part of it lies."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ENV_STATE = "SENTINEL_AGENT_STATE"
DEFAULT_STATE = Path("/var/lib/sentinel-hostagent")


class NotEnrolledError(Exception):
    """This state directory belongs to no server yet."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who this agent is, and the one server key it takes orders from."""

    server: str
    agent_id: str
    host_id: str
    host_name: str
    server_key: str
    ca_file: str | None = None
    allow_drills: bool = False  # whether the server may ask for one; said on this host, by nobody else


@dataclass(frozen=True)
class State:
    """Paths inside one state directory."""

    root: Path

    @property
    def identity_file(self) -> Path:
        return self.root / "agent.json"

    @property
    def key_file(self) -> Path:
        return self.root / "agent.key"

    @property
    def spool_file(self) -> Path:
        return self.root / "spool.db"

    @property
    def journal_file(self) -> Path:
        return self.root / "orders.db"

    @property
    def runs(self) -> Path:
        """One folder per run that was launched here."""
        return self.root / "runs"

    @property
    def notes(self) -> Path:
        """Records that other processes than the observer leave for upload, as JSON lines."""
        return self.root / "notes"

    @property
    def health(self) -> Path:
        """One small file per long-lived part: how it is."""
        return self.root / "health"

    def prepare(self) -> State:
        """The directory and its folders exist and are closed to everyone else."""
        for folder in (self.root, self.runs, self.notes, self.health):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        return self

    def identity(self) -> Identity:
        try:
            return Identity(**json.loads(self.identity_file.read_text()))
        except FileNotFoundError:
            raise NotEnrolledError(f"{self.root} is not enrolled; run `hostagent enrol` first") from None

    def save_identity(self, identity: Identity) -> None:
        write_atomically(self.identity_file, json.dumps(asdict(identity), indent=2))

    def lock(self) -> int:
        """One agent per state directory: the lock's descriptor, or BlockingIOError while another runs."""
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise
        return handle

    def running(self) -> bool:
        try:
            os.close(self.lock())
        except BlockingIOError:
            return True
        return False


def state_at(path: str | None) -> State:
    """The state directory named on the command line, by the environment, or the default one."""
    return State(Path(path or os.environ.get(ENV_STATE) or DEFAULT_STATE).absolute())


def write_atomically(path: Path, text: str) -> None:
    """`path` holds the whole of `text`, or what it held before; never half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small file of our own, or an empty one when it is missing or torn."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
