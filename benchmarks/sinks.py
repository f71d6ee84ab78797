"""Many WebSocket clients in one event loop, as cheap as they can be: they count, and look into every 50th."""

import asyncio
import base64
import json
import os
import time
from dataclasses import dataclass, field

SAMPLED = 50  # every so many clients reads what arrives; the others count bytes and frames


@dataclass
class Tally:
    """What all clients together got."""

    frames: int = 0
    entries: int = 0
    resyncs: int = 0
    delays: list[float] = field(default_factory=list)  # ms from before the commit to the client


class Sink(asyncio.Protocol):
    """One client. `seen` is the newest entry id that it got."""

    def __init__(self, tally: Tally, number: int, request: bytes, subscribe: str | None) -> None:
        self.tally, self.sampled = tally, number % SAMPLED == 0
        self.request, self.subscribe = request, subscribe
        self.buffer = bytearray()
        self.open = asyncio.get_running_loop().create_future()
        self.joined = asyncio.get_running_loop().create_future()
        self.seen = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open.done():
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), bytes(head)
            self.buffer = rest
            self.open.set_result(None)
            if self.subscribe:
                self.send(self.subscribe)
            else:
                self.joined.set_result(None)
        self._frames()

    def send(self, text: str) -> None:
        """A masked text frame; the mask is zero, which is allowed and costs nothing."""
        payload = text.encode()
        size = (
            bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        )
        self.transport.write(b"\x81" + size + b"\0\0\0\0" + payload)  # type: ignore[attr-defined]

    def _frames(self) -> None:
        start, buffer = 0, self.buffer
        while len(buffer) - start >= 2:
            size, head = buffer[start + 1] & 0x7F, 2
            if size == 126:
                size, head = int.from_bytes(buffer[start + 2 : start + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(buffer[start + 2 : start + 10], "big"), 10
            if len(buffer) - start < head + size:
                break
            self._got(buffer[start + head : start + head + size])
            start += head + size
        del buffer[:start]

    def _got(self, frame: bytearray) -> None:
        if not frame.startswith(b'{"entries"'):
            self.tally.resyncs += frame.startswith(b'{"resync"')
            if frame.startswith(b'{"hello"') and not self.joined.done():
                self.joined.set_result(None)
            return
        self.tally.frames += 1
        self.tally.entries += frame.count(b'"kind":')
        at = frame.rindex(b'"cursor":') + 9
        self.seen = int(frame[at : frame.index(b",", at)])
        if self.sampled:
            now = time.time() * 1000
            entries = json.loads(bytes(frame))["entries"]
            self.tally.delays += [now - entry["detail"]["t"] for entry in entries]


def upgrade(path: str, port: int, **headers: str) -> bytes:
    """The request that opens a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def opened(many: int, port: int, request: bytes, subscribe: str | None, tally: Tally) -> list[Sink]:
    """`many` clients, all of them in."""
    loop, sinks = asyncio.get_running_loop(), list[Sink]()
    for start in range(0, many, 100):
        made = [Sink(tally, number, request, subscribe) for number in range(start, min(many, start + 100))]
        for sink in made:
            await loop.create_connection(lambda sink=sink: sink, "127.0.0.1", port)
        await asyncio.wait_for(asyncio.gather(*(sink.joined for sink in made)), 60)
        sinks += made
    return sinks
