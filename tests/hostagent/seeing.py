"""A sensor run alone, and what it put out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hostagent.protocol import Record
from hostagent.sensors.base import Sensor
from tests.hostagent.acting import until


class Seen:
    """An outlet that keeps everything in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.read: dict[str, int] = {}

    def put(self, record: Record, *, urgent: bool = False) -> None:
        self.records.append(record)

    def put_read(self, source: str, position: int) -> None:
        self.read[source] = position

    def of(self, kind: str, **fields: Any) -> list[Record]:
        found = [one for one in list(self.records) if one["kind"] == kind]
        return [one for one in found if all(one.get(key) == value for key, value in fields.items())]

    def wait(self, kind: str, **fields: Any) -> Record:
        return until(lambda: self.of(kind, **fields))[0]


@contextmanager
def running(*sensors: Sensor) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,), daemon=True) for one in sensors]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(5)
