"""Thirteen ways in which a tool call leads to an alert. None carries a trace context unless it says so."""

import base64
import sys
import time

from tests.flows.training_host import until
from tests.scenarios.stage import FIRST_PORT, Loop, Stage, Truth

FETCH = """\
import socket, time
far = socket.create_connection(("127.0.0.1", {port}))
open("near", "w").write(str(far.getsockname()[1]))
time.sleep(20)
"""
CLEAN = "env -i PATH=/usr/bin:/bin"  # neither the run's marker nor a trace context is left


def direct(stage: Stage, loop: Loop, name: str) -> Truth:
    return Truth(True, loop.call(stage.tunnel(name)))


def background(stage: Stage, loop: Loop, name: str) -> Truth:
    return Truth(True, loop.call(f"nohup {stage.tunnel(name)} >/dev/null 2>&1 & sleep 0.3"))


def double_fork(stage: Stage, loop: Loop, name: str) -> Truth:
    """Neither parent nor environment leads back."""
    return Truth(True, loop.call(f"( ( {CLEAN} {stage.tunnel(name)} & ) & ) ; sleep 0.3"))


def new_session(stage: Stage, loop: Loop, name: str) -> Truth:
    return Truth(True, loop.call(f"setsid -f {CLEAN} {stage.tunnel(name)}"))


def at_job(stage: Stage, loop: Loop, name: str) -> Truth:
    """The daemon of `at` starts it, outside of the run's control group."""
    return Truth(True, loop.call(f"echo '{CLEAN} {stage.tunnel(name)}' | {CLEAN} at now"))


def script(stage: Stage, loop: Loop, name: str) -> Truth:
    """Written by one tool call, run by another of the same episode."""
    body = f"cat > helper.sh <<'EOF'\nset -e\n{CLEAN} {stage.tunnel(name)}\nEOF"
    loop.call(body, episode=name, wait=True)
    return Truth(True, loop.call("bash ./helper.sh", episode=name))


def renamed(stage: Stage, loop: Loop, name: str) -> Truth:
    """The program has another name, and was put there by another tool call."""
    loop.call("cp /usr/bin/ssh ./kworker", episode=name, wait=True)
    return Truth(True, loop.call(f"{CLEAN} {stage.tunnel(name, './kworker')}", episode=name))


def encoded(stage: Stage, loop: Loop, name: str) -> Truth:
    hidden = base64.b64encode(f"{CLEAN} {stage.tunnel(name)}".encode()).decode()
    return Truth(True, loop.call(f"echo {hidden} | base64 -d | bash"))


def namespace(stage: Stage, loop: Loop, name: str) -> Truth:
    """Inside a network namespace that the tool call made; the text is not in the trace."""
    inner = f"ip link set lo up; {CLEAN} {stage.tunnel(name)}; sleep 2"
    return Truth(True, loop.call(f'unshare -n sh -c "{inner}"', context=True, told=False))


def afterwards(stage: Stage, loop: Loop, name: str) -> Truth:
    """The tool call has ended when it begins."""
    text = f"setsid -f sh -c 'sleep 1; {CLEAN} {stage.tunnel(name)}' >/dev/null 2>&1"
    return Truth(True, loop.call(text, wait=True))


def at_once(stage: Stage, loop: Loop, name: str) -> Truth:
    """In the same second as another run's on the same host."""
    other = stage.loop("other")
    other.call(f"{CLEAN} sleep 2; true", hold=2)
    return Truth(True, loop.call(f"{CLEAN} {stage.tunnel(name)}"))


def untold(stage: Stage, loop: Loop, name: str) -> Truth:
    """The trace has no arguments, the process no trace context: a run of its own, and time, are all."""
    alone = stage.loop("untold")
    time.sleep(0.1)
    return Truth(True, alone.call(stage.tunnel(name), told=False))


def sockets(stage: Stage, loop: Loop, name: str) -> Truth:
    """Code that opens a socket; no argument says where to. A firewall alone has seen it."""
    code = FETCH.format(port=stage.port)
    loop.call(f"cat > fetch.py <<'EOF'\n{code}EOF", episode=name, wait=True)
    span = loop.call(f"{CLEAN} {sys.executable} fetch.py", episode=name)
    told = loop.folder / "near"
    near = int(until(lambda: told.exists() and told.read_text(), what="the code is connected"))
    stage.names[FIRST_PORT + len(stage.names)] = name
    stage.firewall(near, f"127.0.0.1:{stage.port}")
    return Truth(True, span, port=near)


ALL = (
    sockets, direct, background, double_fork, new_session, at_job, script, renamed, encoded, namespace,
    afterwards, at_once, untold,
)  # fmt: skip
