"""One hub a process hears the bell once, and hands every browser and host agent what is theirs.

A frame is made once for each set of topics and queued at every seat with that set, so a thousand browsers
cost one read of the database. The bell is PostgreSQL's NOTIFY: it rings when the change commits, never
before, and needs no Redis. Entry ids follow the order of commits (`feed.services.publish`), which makes
"everything after my last id" complete; a read every two seconds makes a lost ring a delay and nothing more.
"""

import asyncio
import logging
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

import psycopg

from apps.feed import frames, link
from apps.feed.frames import Item
from apps.feed.seat import Seat

POLL_SECONDS = 2.0
BEAT_SECONDS = 2.0
REPLAY_LIMIT = 500  # entries for one page; beyond it fetching the page anew is cheaper
KEPT = 5_000  # newest entries in memory: pages replay from here and never from the database

log = logging.getLogger(__name__)
_hubs: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = weakref.WeakKeyDictionary()


def current() -> "Hub":
    """The hub of this event loop, started with its first user."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


class Hub:
    """Seats by topic set, bells by name, and the newest entries."""

    def __init__(self) -> None:
        self.last = 0  # id of the newest entry handed out
        self.linked = False
        self._floor = 0  # entries after this id are all in `_kept`
        self._kept: deque[Item] = deque(maxlen=KEPT)
        self._seats: dict[frozenset[str], set[Seat]] = defaultdict(set)
        self._ahead: set[Seat] = set()
        self._bells: dict[str, set[Callable[[str], None]]] = defaultdict(set)
        self._lag_ms = 0
        self._lost_at = time.monotonic()
        self._primed = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._listen_for_ever()),
            asyncio.create_task(self._beat_for_ever()),
        ]

    @property
    def lag_ms(self) -> int:
        """From row to sockets when last measured; while the database is away, for how long it has been."""
        return self._lag_ms if self.linked else int((time.monotonic() - self._lost_at) * 1000)

    async def join(self, topics: Iterable[str], *, cursor: int | None) -> Seat:
        """A seat that gets every entry of `topics` after `cursor`, none twice, none left out in silence."""
        await self._primed.wait()
        after = self.last if cursor is None else cursor
        seat = Seat(frozenset(topics), after=after)
        seat.offer(frames.hello(cursor=after), else_="")
        if after > self.last:
            self._ahead.add(seat)  # the page is newer than what this hub has read: settled with the next read
        elif after < self._floor:
            seat.offer(frames.resync(cursor=self.last), else_="")
        else:
            self._replay(seat)
        self._seats[seat.topics].add(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """Nothing more is queued for `seat`."""
        self._ahead.discard(seat)
        self._seats[seat.topics].discard(seat)
        if not self._seats[seat.topics]:
            del self._seats[seat.topics]

    def hang(self, name: str, ring: Callable[[str], None]) -> None:
        """`ring` is called whenever `name` is rung, with the text that was handed over or an empty one.

        After rings may have been lost it is called once, with an empty one.
        """
        self._bells[name].add(ring)

    def unhang(self, name: str, ring: Callable[[str], None]) -> None:
        """`ring` is not called any more."""
        self._bells[name].discard(ring)
        if not self._bells[name]:
            del self._bells[name]

    def _replay(self, seat: Seat) -> None:
        missed = [one for one in self._kept if one.id > seat.after and not one.topics.isdisjoint(seat.topics)]
        if len(missed) > REPLAY_LIMIT:
            seat.offer(frames.resync(cursor=self.last), else_="")
        elif missed:
            seat.offer(frames.entries(missed, cursor=self.last, lag_ms=self.lag_ms), else_="")

    async def _listen_for_ever(self) -> None:
        delay = 0.1
        while True:
            try:
                async with await link.connect() as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("the feed lost its database link: %s", str(error).strip())
            except Exception:
                log.exception("the feed's hub failed and starts again")
            if self.linked:
                self.linked, self._lost_at, delay = False, time.monotonic(), 0.1
            await asyncio.sleep(delay)
            delay = min(delay * 2, POLL_SECONDS)

    async def _listen(self, connection: link.Connection) -> None:
        await link.listen(connection)
        await self._prime(connection)
        self.linked = True
        self._primed.set()
        self._ring(list(self._bells))  # rings of the time before this LISTEN are lost: everybody looks once
        while True:
            rung = await link.rung(connection, timeout=POLL_SECONDS)
            self._ring(rung)
            if not rung or "feed" in rung:
                await self._read(connection)

    async def _prime(self, connection: link.Connection) -> None:
        newest = await link.newest(connection, KEPT)
        last = newest[-1][0] if newest else 0
        if self._primed.is_set() and last >= self.last:
            await self._read(connection)
            return
        # The first start, or a database that is older than what was handed out: begin from what it has.
        self._kept = deque((frames.item(row) for row in newest), maxlen=KEPT)
        self._floor, self.last = (newest[0][0] - 1 if newest else 0), last
        for seat in self._all():
            seat.after = last
            seat.drop(frames.resync(cursor=last))

    async def _read(self, connection: link.Connection) -> None:
        full = True
        while full:
            rows = await link.after(connection, self.last)
            if rows:
                self._hand_out([frames.item(row) for row in rows])
            full = len(rows) == link.PAGE
        for seat in self._ahead:
            if seat.after > self.last:  # a cursor that this database never gave out
                seat.after = self.last
                seat.drop(frames.resync(cursor=self.last))
        self._ahead.clear()

    def _hand_out(self, new: list[Item]) -> None:
        self.last = new[-1].id
        self._lag_ms = max(0, int(frames.now_ms() - new[-1].at_ms))
        self._keep(new)
        instead = frames.resync(cursor=self.last)
        for topics, seats in self._seats.items():
            wanted = [one for one in new if not one.topics.isdisjoint(topics)]
            if not wanted:
                continue
            frame = frames.entries(wanted, cursor=self.last, lag_ms=self._lag_ms)
            for seat in seats:
                if seat.after < wanted[0].id:
                    seat.offer(frame, else_=instead)
                elif seat.after < wanted[-1].id:
                    later = [one for one in wanted if one.id > seat.after]
                    seat.offer(frames.entries(later, cursor=self.last, lag_ms=self._lag_ms), else_=instead)

    def _keep(self, new: list[Item]) -> None:
        for one in new:
            if len(self._kept) == KEPT:
                self._floor = self._kept[0].id
            self._kept.append(one)

    def _ring(self, calls: Iterable[str]) -> None:
        for call in dict.fromkeys(calls):  # a burst of the same is one
            name, _, text = call.partition(" ")
            for ring in list(self._bells.get(name, ())):
                ring(text)

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            frame = frames.beat(cursor=self.last, link=self.linked, lag_ms=self.lag_ms)
            instead = frames.resync(cursor=self.last)
            for seat in self._all():
                seat.offer(frame, else_=instead)

    def _all(self) -> list[Seat]:
        return [seat for seats in self._seats.values() for seat in seats]
