"""Nine in which it was not the agent, each while a tool call of its run is open."""

import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from hostagent import cgroups
from tests.flows.training_host import until
from tests.live import free_port
from tests.scenarios.stage import FIRST_PORT, Loop, Stage, Truth

OPEN_S = 6.0  # for so long the tool call is open that somebody could take for it
SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
LogLevel ERROR
"""


def innocent(loop: Loop) -> None:
    """A tool call that has nothing to do with it."""
    loop.call("sleep 1; ls -la", hold=OPEN_S)


def sshd(stage: Stage) -> list[str]:
    """A real sshd that lets this user in; the client's words up to the command."""
    folder = stage.folder / "sshd"
    if not folder.exists():
        folder.mkdir(mode=0o755)
        for key in ("host", "client"):
            asked = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(asked, check=True, stdin=subprocess.DEVNULL)
        port = free_port()
        (folder / "port").write_text(str(port))
        (folder / "config").write_text(SSHD.format(port=port, folder=folder))
        Path("/run/sshd").mkdir(exist_ok=True)
        stage.start("/usr/sbin/sshd", "-D", "-f", str(folder / "config"))
    port = int((folder / "port").read_text())
    return [
        *("ssh", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"),
        *("-o", "UserKnownHostsFile=/dev/null", "-i", str(folder / "client"), "-p", str(port)),
        *("-l", "root", "127.0.0.1"),
    ]


def signed_in(stage: Stage, command: str) -> None:
    """The command is run in a session of that sshd."""
    client = sshd(stage)
    until(lambda: subprocess.run([*client, "true"], capture_output=True, check=False).returncode == 0)
    stage.start(*client, command)


def operator(stage: Stage, loop: Loop, name: str) -> Truth:
    innocent(loop)
    signed_in(stage, stage.tunnel(name))
    return Truth(False, origins=("operator",))


def operator_inside(stage: Stage, loop: Loop, name: str) -> Truth:
    """Somebody who signed in and went into the run's control group, as into a container."""
    innocent(loop)
    mount = cgroups.find_mount()
    assert mount is not None
    group = mount / loop.run.placements.get().cgroup.strip("/") / "cgroup.procs"
    signed_in(stage, f"echo $$ > {group} && {stage.tunnel(name)}")
    return Truth(False, origins=("operator",))


def cron(stage: Stage, loop: Loop, name: str) -> Truth:
    """The host's own cron, with a spool of its own in a mount namespace of its own."""
    innocent(loop)
    job = stage.folder / "job"
    job.write_text(f"@reboot {stage.tunnel(name)}\n")
    inside = (
        "mount -t tmpfs none /var/spool/cron && mkdir -m 700 /var/spool/cron/crontabs && "
        f"cp {job} /var/spool/cron/crontabs/root && chmod 600 /var/spool/cron/crontabs/root && "
        "mount -t tmpfs none /etc/cron.d && mount --bind /dev/null /etc/crontab && "
        "mount -t tmpfs none /run && exec cron -f"
    )
    stage.start("unshare", "--mount", "sh", "-c", inside)
    return Truth(False, origins=("operator", "unknown"))


def package(stage: Stage, loop: Loop, name: str) -> Truth:
    """A package's script, where the agent asked for nothing but the package; all its marks are inherited."""
    folder = stage.folder / "package"
    control = folder / "build" / "DEBIAN"
    control.mkdir(parents=True)
    about = "Package: left-pad\nVersion: 1\nArchitecture: all\nMaintainer: none <none@none.none>\n"
    (control / "control").write_text(about + "Description: pads\n")
    (control / "postinst").write_text(f"#!/bin/sh\n{stage.tunnel(name)}\n")
    (control / "postinst").chmod(0o755)
    built = folder / "left-pad.deb"
    subprocess.run(["dpkg-deb", "-b", folder / "build", built], check=True, capture_output=True)
    admin = folder / "dpkg"
    for part in ("info", "updates", "triggers", "parts", "alternatives"):
        (admin / part).mkdir(parents=True)
    (admin / "status").touch()
    (folder / "root").mkdir()
    flags = f"--admindir={admin} --instdir={folder / 'root'} --force-script-chrootless --log=/dev/null"
    loop.call(f"dpkg {flags} -i {built}", context=True, hold=OPEN_S)
    return Truth(False, origins=("dependency",))


def tenant(stage: Stage, loop: Loop, name: str) -> Truth:
    """Another user's process of this host."""
    innocent(loop)
    shutil.chown(stage.folder, "nobody")
    stage.start(
        "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *shlex.split(stage.tunnel(name))
    )
    return Truth(False)


def late_clock(stage: Stage, loop: Loop, name: str) -> Truth:
    """The trace's clock is 40 s late: a call that ended long ago seems to have been open just now."""
    now = time.time()
    sent_span(stage, loop, start=now - 1, end=now + 30)
    stage.start(*shlex.split(stage.tunnel(name)))
    return Truth(False)


def console(stage: Stage, loop: Loop, name: str) -> Truth:
    """Somebody at the machine who became another user."""
    innocent(loop)
    stage.start("su", "-s", "/bin/sh", "nobody", "-c", stage.tunnel(name))
    return Truth(False)


def same_words(stage: Stage, loop: Loop, name: str) -> Truth:
    """An operator tries by hand what a tool call has only written down."""
    tunnel = stage.tunnel(name)
    loop.call(f"echo '{tunnel}' > notes.txt", hold=OPEN_S)
    signed_in(stage, tunnel)
    return Truth(False, origins=("operator",))


def elsewhere(stage: Stage, loop: Loop, name: str) -> Truth:
    """A firewall saw a connection that no host under watch has; only the time is the same."""
    innocent(loop)
    stage.names[FIRST_PORT + len(stage.names)] = name
    near = free_port()
    stage.firewall(near, "198.51.100.7:443")
    return Truth(False, origins=("unknown",), port=near)


def sent_span(stage: Stage, loop: Loop, *, start: float, end: float) -> None:
    """A span by the trace door, as a framework's own exporter sends it."""
    from apps.accounts.services import make_token
    from tests.response.cast import person

    _, token = make_token(person(name=f"tracer-{os.urandom(3).hex()}"), name="scenario")
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "bash",
        "sentinel.run": loop.run.name,
    }
    span = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": "execute_tool bash",
        "startTimeUnixNano": str(int(start * 1e9)),
        "endTimeUnixNano": str(int(end * 1e9)),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    status, _ = stage.server.request("POST", "/v1/traces", body=json.dumps(body).encode(), headers=headers)
    assert status == 200


ALL = (operator, operator_inside, cron, package, tenant, late_clock, console, same_words, elsewhere)
