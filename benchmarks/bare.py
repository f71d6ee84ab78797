"""The fan-out that the feed is held against: what comes on /control goes to everybody, nothing else."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

audience: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    if connection.request and connection.request.path == "/control":
        async for message in connection:
            broadcast(audience, message)
        return
    audience.add(connection)
    try:
        await connection.wait_closed()
    finally:
        audience.discard(connection)


async def main() -> None:
    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        sys.stdout.write(f"{next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


asyncio.run(main())
