"""A link of two ends: one on this machine, one in a network namespace of its own that stands for outside."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

IP = shutil.which("ip") or "/usr/sbin/ip"


@dataclass(frozen=True)
class Wire:
    """The near end is an interface of this machine."""

    name: str
    namespace: str
    near: str
    far: str

    def outside(self, *command: str) -> list[str]:
        """The command, to be started at the far end."""
        return [IP, "netns", "exec", self.namespace, *command]


def ip(*words: str) -> None:
    """One command of iproute2."""
    subprocess.run([IP, *words], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """A link for the length of the block; its addresses belong to nobody else on this machine."""
    number = os.getpid() % 250 + 1
    one = Wire(f"sn{number}near", f"sentinel-test-{number}", f"10.213.{number}.1", f"10.213.{number}.2")
    ip("netns", "add", one.namespace)
    try:
        ip("link", "add", one.name, "type", "veth", "peer", "name", "far0", "netns", one.namespace)
        ip("addr", "add", f"{one.near}/24", "dev", one.name)
        ip("link", "set", one.name, "up")
        ip("-n", one.namespace, "addr", "add", f"{one.far}/24", "dev", "far0")
        ip("-n", one.namespace, "link", "set", "far0", "up")
        yield one
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", one.name)
        ip("netns", "del", one.namespace)
