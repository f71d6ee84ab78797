"""The far end of the stand-in tunnel: takes one client, and hands it every caller."""

from __future__ import annotations

import itertools
import socket
import threading

from hostagent.drill.stage import LOOPBACK, Stage


class StandinServer:
    """Listens where the sshd would, and on the tunnel's far port once a client has asked for it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._callers: dict[bytes, socket.socket] = {}
        self._numbers = itertools.count(1)

    def start(self) -> None:
        door = socket.create_server((LOOPBACK, self._stage.sshd_port))
        threading.Thread(target=self._welcome, args=(door,), daemon=True).start()

    def _welcome(self, door: socket.socket) -> None:
        while True:
            client, _ = door.accept()
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        word, _, rest = client.recv(256).partition(b" ")
        if word == b"forward":
            self._forward(client)
        elif word == b"caller":
            caller = self._callers.pop(rest.strip(), None)
            if caller is not None:
                threading.Thread(target=pump, args=(client, caller), daemon=True).start()
                pump(caller, client)

    def _forward(self, client: socket.socket) -> None:
        try:
            far = socket.create_server((LOOPBACK, self._stage.tunnel_port))
        except OSError:
            client.close()
            return
        with far:
            while True:
                caller, _ = far.accept()
                number = str(next(self._numbers)).encode()
                self._callers[number] = caller
                try:
                    client.sendall(b"caller " + number + b"\n")
                except OSError:
                    caller.close()
                    return


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(4096):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
