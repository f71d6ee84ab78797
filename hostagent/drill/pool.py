"""The pool at the other end of the miner: answers stratum lines, counts nothing, pays nobody."""

from __future__ import annotations

import json
import socket
import threading
import time

from hostagent.drill.stage import LOOPBACK


def start(port: int) -> None:
    door = socket.create_server((LOOPBACK, port))
    threading.Thread(target=_welcome, args=(door,), daemon=True).start()


def _welcome(door: socket.socket) -> None:
    while True:
        client, _ = door.accept()
        threading.Thread(target=_serve, args=(client,), daemon=True).start()


def _serve(client: socket.socket) -> None:
    job = {"id": None, "method": "mining.notify", "params": ["job", "0" * 64, True]}
    try:
        for line in client.makefile("rb"):
            asked = json.loads(line[:4096])
            answer = {"id": asked.get("id"), "result": True, "error": None}
            client.sendall(json.dumps(answer).encode() + b"\n" + json.dumps(job).encode() + b"\n")
            time.sleep(0.05)
    except (OSError, ValueError):
        client.close()
