"""Stand-in for `ssh -N -R` where OpenSSH is missing: the same sockets, without any cryptography.

    ssh -N -R ADDRESS:PORT:HOST:HOSTPORT -p PORT LOGIN@HOST

Keeps one connection to the server; for each caller at the far end it opens a second one to the forwarded
place. Copied into the drill's folder and run from there, so it imports nothing of Sentinel's.
"""

import socket
import sys
import threading


def main(argv: list[str]) -> None:
    forward, port, target = "", 22, ""
    words = iter(argv)
    for word in words:
        if word == "-R":
            forward = next(words)
        elif word == "-p":
            port = int(next(words))
        elif word in ("-o", "-i", "-F"):
            next(words)
        elif not word.startswith("-"):
            target = word
    address, far_port, host, near_port = forward.split(":")
    server = (target.rpartition("@")[2], port)
    control = socket.create_connection(server, timeout=10)
    control.settimeout(None)
    control.sendall(f"forward {address} {far_port}\n".encode())
    for line in control.makefile("rb"):
        if line.startswith(b"caller "):
            serve(server, line, (host, int(near_port)))


def serve(server: tuple[str, int], line: bytes, place: tuple[str, int]) -> None:
    far = socket.create_connection(server, timeout=10)
    far.sendall(line)
    near = socket.create_connection(place, timeout=10)
    for source, sink in ((far, near), (near, far)):
        threading.Thread(target=pump, args=(source, sink), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(4096):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1:])
