"""What a drill needs around its run: a folder, free loopback ports, keys, and who plays the outside."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
SSHD_PLACES = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/libexec/sshd")
ENV_STAGE = "SENTINEL_DRILL_STAGE"
STAGE_FILE = "stage.json"
THROWAWAY = ("games", "news", "uucp", "daemon", "bin")
STOP_FILE = "stop"


@dataclass(kw_only=True)
class Stage:
    """Read by everyone who plays; written once before the curtain."""

    folder: str
    seconds: float
    sshd_port: int
    tunnel_port: int  # where the outside gets in
    service_port: int  # what it gets to: a small service of the run
    pool_port: int
    open_ports: list[int]
    login: str
    openssh: bool
    why_standin: str = ""

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def tunnel(self) -> str:
        """What carries the tunnel, in words for a screen."""
        return "OpenSSH" if self.openssh else f"stand-in with the same sockets ({self.why_standin})"

    def save(self) -> None:
        (self.path / STAGE_FILE).write_text(json.dumps(asdict(self)))


def load(folder: str) -> Stage:
    return Stage(**json.loads((Path(folder) / STAGE_FILE).read_text()))


def build(*, seconds: float) -> Stage:
    """A folder of its own with everything in it, and ports nobody else uses."""
    folder = Path(tempfile.mkdtemp(prefix="sentinel-drill-"))
    ports = free_ports(7)
    why_not = why_no_openssh()
    stage = Stage(
        folder=str(folder),
        seconds=seconds,
        sshd_port=ports[0],
        tunnel_port=ports[1],
        service_port=ports[2],
        pool_port=ports[3],
        open_ports=ports[4:],
        login=throwaway_login(),
        openssh=not why_not,
        why_standin=why_not,
    )
    stage.save()
    put_programs(stage)
    return stage


def strike(stage: Stage) -> None:
    """Nothing of the drill is left on disk."""
    shutil.rmtree(stage.folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    holders = [socket.socket() for _ in range(count)]
    for holder in holders:
        holder.bind((LOOPBACK, 0))
    ports = [int(holder.getsockname()[1]) for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def find_sshd() -> str | None:
    return next((path for path in SSHD_PLACES if os.access(path, os.X_OK)), None) or shutil.which("sshd")


def why_no_openssh() -> str:
    missing = [name for name, path in (("sshd", find_sshd()), ("ssh", shutil.which("ssh"))) if not path]
    if not missing and not shutil.which("ssh-keygen"):
        missing = ["ssh-keygen"]
    return f"{' and '.join(missing)} not installed" if missing else ""


def throwaway_login() -> str:
    """Root's drill lets its sshd run as an account that owns nothing; anybody else's as that person.

    Not `nobody`: where systemd answers for it the account counts as locked, and sshd refuses it.
    """
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid}
    return next((name for name in THROWAWAY if name in known), "nobody")


def put_programs(stage: Stage) -> None:
    """The stand-in miner, and the stand-in ssh where OpenSSH is missing, as programs on the run's PATH."""
    (stage.path / "bin").mkdir()
    put_program(stage, "xmrig", "miner.py")
    if not stage.openssh:
        put_program(stage, "ssh", "standin.py")


def put_program(stage: Stage, name: str, source: str) -> None:
    path = stage.path / "bin" / name
    path.write_text(f"#!{sys.executable}\n{(Path(__file__).parent / source).read_text()}")
    path.chmod(0o755)


def fall_back(stage: Stage, why: str) -> None:
    """OpenSSH is there but does not serve the drill: the stand-in plays, and the screen says why."""
    stage.openssh, stage.why_standin = False, why
    put_program(stage, "ssh", "standin.py")
    stage.save()
