"""A real sshd for one drill: loopback only, keys made for it, one login without a shell, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from functools import partial
from pathlib import Path

from hostagent import linux
from hostagent.drill.stage import LOOPBACK, Stage, find_sshd

CONFIG = """\
ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AllowUsers {login}
AllowTcpForwarding remote
AllowAgentForwarding no
AllowStreamLocalForwarding no
PermitListen {address}:{tunnel}
PermitTTY no
X11Forwarding no
ForceCommand false
MaxStartups 4
LogLevel ERROR
"""


def make_keys(stage: Stage) -> Path:
    """The client's key is in the drill's folder, the server's in one that its login owns."""
    home = stage.path / "sshd"
    home.mkdir(mode=0o700)
    for path in (home / "host_key", stage.path / "client_key"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sentinel-drill", "-f", str(path)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=10)
    shutil.copy(stage.path / "client_key.pub", home / "authorized_keys")
    config = CONFIG.format(
        address=LOOPBACK, port=stage.sshd_port, folder=home, login=stage.login, tunnel=stage.tunnel_port
    )
    (home / "config").write_text(config)
    if os.geteuid() == 0:
        stage.path.chmod(0o711)
        for path in (home, *home.iterdir()):
            shutil.chown(path, stage.login)
    return home / "config"


def client_argv(stage: Stage) -> list[str]:
    """`ssh` with nothing of the user's own: no config, no known hosts, one key."""
    return [
        *("ssh", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        *("-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-i", f"{stage.folder}/client_key"),
        *("-p", str(stage.sshd_port), f"{stage.login}@{LOOPBACK}"),
    ]


def lets_in(stage: Stage) -> bool:
    """The login works: its forced command answers 1, where ssh itself would answer 255."""
    asked = subprocess.run(
        client_argv(stage), stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
    )
    return asked.returncode == 1


def start(stage: Stage) -> subprocess.Popen[bytes]:
    """The sshd runs in the foreground of its own and ends with whoever started it."""
    sshd = find_sshd()
    assert sshd is not None  # noqa: S101 - the stage said that OpenSSH is there
    config = make_keys(stage)
    return subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(stage.path / "sshd.log").open("wb"),
        user=stage.login if os.geteuid() == 0 else None,
        group=pwd.getpwnam(stage.login).pw_gid if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
        preexec_fn=partial(linux.die_with_parent, os.getpid()),
    )
