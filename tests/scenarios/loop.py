"""A training loop that does what it is told: each line of JSON on its socket is one tool call, each at once.

    python -m tests.scenarios.loop SOCKET

`command` is given to bash as a tool of an agent would. `context` puts the trace context into its environment
(most frameworks do not), `told` false leaves the arguments out of the trace (most instrumentations do).
"""

import contextlib
import json
import os
import socketserver
import subprocess
import sys
import time
from typing import Any

from hostagent.protocol import ENV_TRACEPARENT
from hostagent.trace import RunTrace


class Silent(RunTrace):
    """Content capture is off."""

    def _write(self, value: dict[str, Any]) -> None:
        kept = [one for one in value.get("attributes", []) if not one["key"].endswith(".arguments")]
        super()._write({**value, "attributes": kept})


class Told(socketserver.StreamRequestHandler):
    """One connection: a call, its span id, and its end."""

    def handle(self) -> None:
        told = json.loads(self.rfile.readline())
        trace = (RunTrace if told["told"] else Silent).from_environ()
        bare = {name: value for name, value in os.environ.items() if name != ENV_TRACEPARENT}
        arguments = {"command": told["command"]}
        with trace.tool_call("bash", arguments, episode=told["episode"], global_step=3) as call:
            self.wfile.write(f"{call.span_id}\n".encode())
            env = call.environ if told["context"] else bare
            shell = subprocess.Popen(
                ["bash", "-c", told["command"]],
                env=env,
                cwd=told["folder"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            began = time.monotonic()
            while shell.poll() is None and time.monotonic() - began < told["seconds"]:
                time.sleep(0.02)
            time.sleep(max(0.0, told["hold"] - (time.monotonic() - began)))
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            self.wfile.write(b"ended\n")


class Loop(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with Loop(sys.argv[1], Told) as loop:
        loop.serve_forever()
