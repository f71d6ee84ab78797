"""Stand-in for a miner: speaks the stratum protocol to a pool, and hashes for 15 ms of every second.

    xmrig --url stratum+tcp://HOST:PORT --algo NAME --user NAME --pass TEXT

Copied into the drill's folder and run from there, so it imports nothing of Sentinel's. Ends when the pool
closes the connection.
"""

import hashlib
import json
import socket
import sys
import time

WORK_S = 0.015


def main(argv: list[str]) -> None:
    options = dict(zip(argv[::2], argv[1::2], strict=False))
    host, _, port = options["--url"].rpartition("/")[2].partition(":")
    pool = socket.create_connection((host, int(port)), timeout=10)
    pool.settimeout(1.0)
    user = options.get("--user", "drill")
    say(pool, 1, "mining.subscribe", ["sentinel-drill/1.0"])
    say(pool, 2, "mining.authorize", [user, options.get("--pass", "x")])
    number, nonce, block = 3, 0, b"0" * 80
    while hear(pool):
        until = time.monotonic() + WORK_S
        while time.monotonic() < until:
            hashlib.sha256(block + nonce.to_bytes(8, "big")).digest()
            nonce += 1
        if number % 5 == 0:
            say(pool, number, "mining.submit", [user, "job", f"{nonce:016x}"])
        number += 1


def say(pool: socket.socket, number: int, method: str, params: list[str]) -> None:
    pool.sendall(json.dumps({"id": number, "method": method, "params": params}).encode() + b"\n")


def hear(pool: socket.socket) -> bool:
    """One second of listening; False once the pool is gone."""
    began = time.monotonic()
    try:
        alive = bool(pool.recv(4096))
    except TimeoutError:
        return True
    except OSError:
        return False
    time.sleep(max(0.0, 1.0 - (time.monotonic() - began)) if alive else 0.0)
    return alive


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError:
        sys.exit(1)
