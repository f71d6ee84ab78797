"""One socket's place at the hub: a bounded row of frames, so that a slow reader costs only itself."""

import asyncio

LIMIT = 64  # frames; whoever is further behind fetches the page anew instead of catching up


class Seat:
    """Frames wait here in order. On overflow all of them are dropped for one that says so."""

    def __init__(self, topics: frozenset[str], *, after: int) -> None:
        self.topics = topics
        self.after = after  # entries up to here are already on the page
        self._frames: asyncio.Queue[str] = asyncio.Queue(LIMIT)

    def offer(self, frame: str, *, else_: str) -> None:
        """Queue `frame`; where there is no room, drop everything queued and queue `else_` instead."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.drop(else_)

    def drop(self, frame: str) -> None:
        """Forget what is queued and say `frame` instead."""
        while not self._frames.empty():
            self._frames.get_nowait()
        self._frames.put_nowait(frame)

    async def next(self) -> str:
        """The next frame, as soon as there is one."""
        return await self._frames.get()
