"""Training code with one tool call, whose command opens a connection and holds it.

Run as a program in a run: `caller.py HOST PORT`.
"""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hostagent.trace import RunTrace

HOLD = """
import socket, sys, time
held = socket.create_connection((sys.argv[1], int(sys.argv[2])))
time.sleep(600)
"""

trace = RunTrace.from_environ()
command = [sys.executable, "-c", HOLD, *sys.argv[1:3]]
with trace.tool_call("bash", {"command": " ".join(command)}, episode=7, global_step=3) as call:
    subprocess.run(command, env=call.environ, check=False)
time.sleep(600)
