"""Rows are written in groups, and none is ever left lying."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.gateway import mailbox
from apps.gateway.mailbox import HANDS, Mailbox, Row


def row(sequence: int, size: int = 1) -> Row:
    return Row(1, b"k", sequence, b"x" * size, "gzip", f"{sequence}", "s", datetime.now(UTC), 1)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The groups, in place of the database."""
    groups: list[list[int]] = []

    async def write(rows: list[Row]) -> list[bool]:
        await asyncio.sleep(0.001)
        groups.append([one.sequence for one in rows])
        return [True] * len(rows)

    monkeypatch.setattr(mailbox, "_write", write)
    return groups


async def test_row_that_comes_as_the_hands_stop_is_not_left_lying(monkeypatch: pytest.MonkeyPatch) -> None:
    together = asyncio.Barrier(HANDS)

    async def write(rows: list[Row]) -> list[bool]:
        await together.wait()  # all hands are done in the same moment, and nothing waits then
        return [True] * len(rows)

    monkeypatch.setattr(mailbox, "_write", write)
    monkeypatch.setattr(mailbox, "MOST_ROWS", 1)
    box = Mailbox()

    async def sender(first: int) -> None:
        for number in range(5):
            assert await box.put(row(first + number))

    await asyncio.wait_for(asyncio.gather(*(sender(10 * n) for n in range(HANDS))), timeout=20)


async def test_what_comes_while_all_hands_write_goes_together(written: list[list[int]]) -> None:
    box = Mailbox()
    await asyncio.gather(*(box.put(row(number)) for number in range(HANDS + 30)))
    assert len(written) < HANDS + 5
    assert sorted(number for group in written for number in group) == list(range(HANDS + 30))


async def test_group_is_bounded(written: list[list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MOST_BYTES", 10)
    box = Mailbox()
    await asyncio.gather(*(box.put(row(number, size)) for number, size in enumerate([4, 4, 4, 4, 99, 4])))
    sizes = [4, 4, 4, 4, 99, 4]
    assert all(len(group) == 1 or sum(sizes[number] for number in group) <= 10 for group in written)


async def test_sender_that_hangs_up_disturbs_nobody(written: list[list[int]]) -> None:
    box = Mailbox()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(box.put(row(number))) for number in range(10)]
    await asyncio.sleep(0)
    tasks[7].cancel()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=20)
    assert [result for place, result in enumerate(results) if place != 7] == [True] * 9
