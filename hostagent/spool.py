"""The durable spool: numbered batches that stay until the server has acknowledged their number.

Numbers are given once and without a hole. What does not fit any more is counted, kind by kind, and the
count is itself a record in the next batch that does fit: a loss is exact, and it is news.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hostagent import protocol
from hostagent.loss import Loss
from hostagent.protocol import Record

DEFAULT_QUOTA = 512 * 1024 * 1024
RESERVE = 0.1  # the last tenth is for what matters most
GZIP_FROM = 1024
# Kinds that may use the reserve: few, and the story is not understood without them
VITAL = frozenset({protocol.GAP, protocol.ALERT, protocol.RUN_START, protocol.RUN_END})

SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    sequence INTEGER PRIMARY KEY, encoding TEXT NOT NULL, records INTEGER NOT NULL,
    made_at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (source TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value NOT NULL);
INSERT OR IGNORE INTO meta VALUES ('next', 1), ('bytes', 0), ('dropped', 0), ('loss', '');
"""


class Line(NamedTuple):
    """One record as it will travel, with the two fields that are needed to count it."""

    kind: str
    at: float
    data: bytes


class Batch(NamedTuple):
    sequence: int
    encoding: str
    records: int
    body: bytes


class Spool:
    """Batches on disk. Each call is one transaction; a full disk loses records, never the count of them."""

    def __init__(self, path: Path, *, quota: int = DEFAULT_QUOTA) -> None:
        self._lock = threading.Lock()
        self._quota = quota
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA journal_size_limit=8388608")
        self._db.executescript(SCHEMA)
        self._loss = Loss.load(str(self._meta("loss")))
        self._bytes = int(self._meta("bytes"))
        self._acknowledged = 0  # in memory too: a full disk must not send a batch for ever

    def add(self, lines: Sequence[Line], *, cursors: Mapping[str, int] | None = None) -> Batch | None:
        """The records are on disk under the next number, with how far their sources were read.

        None when nothing could be kept: it is counted, and the next batch that is kept says so.
        """
        with self._lock:
            kept = [line for line in lines if self._has_room(line.kind)]
            if len(kept) < len(lines):
                self._lost((line for line in lines if not self._has_room(line.kind)), "quota")
            try:
                return self._insert(kept, cursors or {})
            except sqlite3.Error as error:
                self._lost(kept, "disk full" if "full" in str(error) else "spool error")
                return None

    def lose(self, record: Record, reason: str) -> None:
        """A record that could not even be queued is counted like one without room on disk."""
        with self._lock:
            self._loss.add(str(record["kind"]), float(record["at"]), reason)

    def next_batch(self) -> Batch | None:
        """The oldest batch that is not acknowledged."""
        with self._lock:
            row = self._db.execute(
                "SELECT sequence, encoding, records, body FROM batch WHERE sequence > ?"
                " ORDER BY sequence LIMIT 1",
                (self._acknowledged,),
            ).fetchone()
        return Batch(*row) if row else None

    def acknowledge(self, sequence: int) -> None:
        """The server has this number and all before it; their room is free when the disk lets."""
        with self._lock:
            self._acknowledged = sequence
            try:
                with self._transaction():
                    self._count_bytes(-self._size("sequence <= ?", sequence))
                    self._db.execute("DELETE FROM batch WHERE sequence <= ?", (sequence,))
            except sqlite3.OperationalError:
                return  # a restart sends it once more, and the server knows the number

    def replace_by_gap(self, sequence: int, *, reason: str) -> None:
        """A batch the server will never take gives its number to a record of what it held."""
        with self._lock, self._transaction():
            (count, made_at) = self._db.execute(
                "SELECT records, made_at FROM batch WHERE sequence = ?", (sequence,)
            ).fetchone()
            loss = Loss(reason=reason, kinds={"rejected": count}, first_at=made_at, last_at=made_at)
            self._count_bytes(-self._size("sequence = ?", sequence))
            self._store(sequence, [line_of(loss.record(sequence))])
            self._add_dropped(count)

    def skip_number(self, sequence: int) -> None:
        """Another body already has this number at the server: all that wait move up by one."""
        with self._lock, self._transaction():
            self._db.execute("UPDATE batch SET sequence = -sequence - 1 WHERE sequence >= ?", (sequence,))
            self._db.execute("UPDATE batch SET sequence = -sequence WHERE sequence < 0")
            self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'next'")

    def position(self, source: str) -> int:
        """How far a source was read into batches that are kept."""
        with self._lock:
            row = self._db.execute("SELECT position FROM cursor WHERE source = ?", (source,)).fetchone()
        return int(row[0]) if row else 0

    def forget_source(self, source: str) -> None:
        with self._lock, self._transaction():
            self._db.execute("DELETE FROM cursor WHERE source = ?", (source,))

    def figures(self) -> dict[str, int]:
        """What waits, how large it is, and how many records were ever dropped."""
        with self._lock:
            pending = self._db.execute(
                "SELECT count(*) FROM batch WHERE sequence > ?", (self._acknowledged,)
            ).fetchone()[0]
            dropped = int(self._meta("dropped")) + self._loss.total
            return {
                "pending": pending,
                "bytes": self._bytes,
                "dropped": dropped,
                "next": int(self._meta("next")),
            }

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _has_room(self, kind: str) -> bool:
        return bool(self._bytes < self._quota * (1.0 if kind in VITAL else 1.0 - RESERVE))

    def _lost(self, lines: Iterable[Line], reason: str) -> None:
        for line in lines:
            self._loss.add(line.kind, line.at, reason)
        try:
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'loss'", (self._loss.dump(),))
        except sqlite3.Error:
            return  # the disk is full: the count stays in memory, where a clean disk will find it

    def _insert(self, lines: Sequence[Line], cursors: Mapping[str, int]) -> Batch | None:
        if not lines and not cursors:
            return None
        lost = self._loss.total
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?)", cursors.items())
            if not lines:
                return None
            sequence = int(self._meta("next"))
            gap = [line_of(self._loss.record(sequence))] if lost else []
            batch = self._store(sequence, [*gap, *lines])
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'next'", (sequence + 1,))
            if lost:
                self._add_dropped(lost)
                self._db.execute("UPDATE meta SET value = '' WHERE name = 'loss'")
        self._loss = Loss()
        return batch

    def _store(self, sequence: int, lines: Sequence[Line]) -> Batch:
        encoding, body = pack(lines)
        self._db.execute(
            "INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, ?)",
            (sequence, encoding, len(lines), time.time(), body),
        )
        self._count_bytes(len(body))
        return Batch(sequence, encoding, len(lines), body)

    def _size(self, condition: str, sequence: int) -> int:
        sql = f"SELECT coalesce(sum(length(body)), 0) FROM batch WHERE {condition}"  # noqa: S608 - constants
        return int(self._db.execute(sql, (sequence,)).fetchone()[0])

    def _count_bytes(self, change: int) -> None:
        self._db.execute("UPDATE meta SET value = value + ? WHERE name = 'bytes'", (change,))

    def _add_dropped(self, count: int) -> None:
        self._db.execute("UPDATE meta SET value = value + ? WHERE name = 'dropped'", (count,))

    def _meta(self, name: str) -> Any:
        return self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0]

    def _transaction(self) -> _Transaction:
        return _Transaction(self)


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK; afterwards the byte count in memory is the one on disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __enter__(self) -> None:
        self._spool._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        spool = self._spool
        if kind is None:
            spool._db.execute("COMMIT")
            spool._bytes = int(str(spool._meta("bytes")))
        elif spool._db.in_transaction:
            spool._db.execute("ROLLBACK")


def line_of(record: Record) -> Line:
    """The record as bytes; text that no UTF-8 can carry is replaced, not refused."""
    data = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return Line(str(record["kind"]), float(record["at"]), data)


def pack(lines: Sequence[Line]) -> tuple[str, bytes]:
    """A batch's body as the server reads it: small ones plain, the rest as gzip."""
    body = b"[" + b",".join(line.data for line in lines) + b"]"
    if len(body) < GZIP_FROM:
        return "identity", body
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return "gzip", packer.compress(body) + packer.flush()
