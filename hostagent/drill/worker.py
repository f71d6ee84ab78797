"""One environment worker of the drill's run: carries out tool calls as real subprocesses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hostagent import linux
from hostagent.trace import RunTrace


def serve(folder: str) -> None:
    """One tool call a line on stdin, until it closes."""
    trace = RunTrace.from_environ()
    for line in sys.stdin:
        asked = json.loads(line)
        call_tool(trace, folder, asked)


def call_tool(trace: RunTrace, folder: str, asked: dict[str, object]) -> None:
    command = str(asked["command"])
    episode, step = int(str(asked["episode"])), int(str(asked["global_step"]))
    with trace.tool_call("bash", {"command": command}, episode=episode, global_step=step) as call:
        call.environ["PATH"] = f"{folder}/bin:{os.environ.get('PATH', os.defpath)}"
        subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=call.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


if __name__ == "__main__":
    linux.die_with_parent(int(sys.argv[2]))
    serve(sys.argv[1])
