"""Everything beyond the training host: an sshd, a mining pool, a caller in the tunnel, a few open ports.

Not part of the run: it lives in another process, outside the run's group, and ends with the drill.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

from hostagent import linux
from hostagent.drill import openssh, pool
from hostagent.drill.stage import LOOPBACK, Stage, fall_back, load
from hostagent.drill.standin_server import StandinServer

CALL_EVERY_S = 3.0
READY = "outside ready"


def play(stage: Stage) -> None:
    """Stands until SIGTERM or the end of the process that started it."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pool.start(stage.pool_port)
    doors = [socket.create_server((LOOPBACK, port)) for port in stage.open_ports]
    sshd = open_sshd(stage) if stage.openssh else None
    if sshd is None:
        StandinServer(stage).start()
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    while not stop.wait(CALL_EVERY_S):
        call_through(stage.tunnel_port)
    for door in doors:
        door.close()
    if sshd is not None:
        sshd.terminate()
        sshd.wait(5)


def open_sshd(stage: Stage) -> subprocess.Popen[bytes] | None:
    """A real sshd that lets the drill's login in; None when this host's OpenSSH will not have it."""
    try:
        sshd = openssh.start(stage)
    except (OSError, subprocess.SubprocessError) as error:
        fall_back(stage, f"OpenSSH could not be set up: {error}")
        return None
    try:
        wait_listening(stage.sshd_port)
        if openssh.lets_in(stage):
            return sshd
        why = "this host's sshd refuses the drill's login"
    except (OSError, subprocess.SubprocessError) as error:
        why = f"this host's sshd does not serve: {error}"
    sshd.kill()
    sshd.wait()
    fall_back(stage, why)
    return None


def wait_listening(port: int) -> None:
    """Returns when something answers on the port; OSError when nothing does for five seconds."""
    for _ in range(100):
        with socket.socket() as tried:
            if tried.connect_ex((LOOPBACK, port)) == 0:
                return
        threading.Event().wait(0.05)
    raise OSError(f"nothing listens on {LOOPBACK}:{port}")


def call_through(port: int) -> None:
    """Somebody outside uses the tunnel, once it stands."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as call:
            call.sendall(b"GET / HTTP/1.0\r\n\r\n")
            call.recv(1024)
            threading.Event().wait(1.0)  # stays a moment, as a person would
    except OSError:
        return


if __name__ == "__main__":
    linux.die_with_parent(int(sys.argv[2]))
    play(load(sys.argv[1]))
