"""The order journal: which orders were taken, how far each got, and every receipt until it is delivered.

Receipts are kept as the texts that get signed. Ed25519 signs a text the same way each time, so the signature
is made when a receipt leaves, and a stop's result does not wait until all the steps to it are signed.

A file of its own, so that neither a full spool nor a stuck upload can get in the way of a stop. When even
this file cannot be written (the disk is full), it goes on in memory: a stop matters more than its record.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

KEEP_S = 90 * 86_400.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (
    order_id INTEGER PRIMARY KEY, nonce TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,
    taken_at REAL NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS receipt (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, seq INTEGER NOT NULL, payload TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0, UNIQUE (order_id, seq));
CREATE INDEX IF NOT EXISTS receipt_unsent ON receipt (id) WHERE sent = 0;
"""


class Step(NamedTuple):
    """One receipt as it is kept; a final one closes its order."""

    order_id: int
    seq: int
    payload: str
    final: bool


class Waiting(NamedTuple):
    id: int  # below zero: kept in memory only
    payload: str


class Journal:
    """Survives kill -9 at any line; each call is one transaction."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._unwritten_orders: dict[int, tuple[str, str]] = {}
        self._unwritten_receipts: list[Waiting] = []
        self._next_unwritten = -1
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        # What was written survives this process at once; a host that loses power has no run left to stop
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        if "signature" in [row[1] for row in self._db.execute("PRAGMA table_info(receipt)")]:
            self._db.execute("ALTER TABLE receipt DROP COLUMN signature")  # earlier host agents kept it
        self._db.execute("DELETE FROM taken WHERE done = 1 AND taken_at < ?", (time.time() - KEEP_S,))

    def take(self, order_id: int, nonce: str, payload: str) -> bool:
        """The order is ours to carry out, once; False when it or its nonce was taken before."""
        with self._lock:
            try:
                self._db.execute(
                    "INSERT INTO taken (order_id, nonce, payload, taken_at) VALUES (?, ?, ?, ?)",
                    (order_id, nonce, payload, time.time()),
                )
            except sqlite3.IntegrityError:
                return False
            except sqlite3.Error:
                used = {order_id} & self._unwritten_orders.keys()
                if used or any(nonce == other for other, _ in self._unwritten_orders.values()):
                    return False
                self._unwritten_orders[order_id] = (nonce, payload)
        return True

    def knows(self, order_id: int) -> str | None:
        """The exact text an order was taken with, or None."""
        with self._lock:
            if order_id in self._unwritten_orders:
                return self._unwritten_orders[order_id][1]
            row = self._db.execute("SELECT payload FROM taken WHERE order_id = ?", (order_id,)).fetchone()
        return str(row[0]) if row else None

    def unfinished(self) -> list[str]:
        """Orders that were taken and not finished: a restart takes them up again."""
        with self._lock:
            rows = self._db.execute("SELECT payload FROM taken WHERE done = 0 ORDER BY order_id").fetchall()
        return [str(payload) for (payload,) in rows]

    def next_seq(self, order_id: int) -> int:
        with self._lock:
            row = self._db.execute(
                "SELECT coalesce(max(seq) + 1, 0) FROM receipt WHERE order_id = ?", (order_id,)
            ).fetchone()
        return int(row[0])

    def add(self, steps: list[Step]) -> None:
        """All of them are on disk together, or in memory where the disk takes none."""
        with self._lock:
            try:
                self._write(steps)
            except sqlite3.Error as error:
                log.error("%s receipts kept in memory: %s", len(steps), error)
                for step in steps:
                    self._unwritten_receipts.append(Waiting(self._next_unwritten, step.payload))
                    self._next_unwritten -= 1

    def _write(self, steps: list[Step]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO receipt (order_id, seq, payload) VALUES (?, ?, ?)",
                [(step.order_id, step.seq, step.payload) for step in steps],
            )
            done = [(step.order_id,) for step in steps if step.final]
            self._db.executemany("UPDATE taken SET done = 1 WHERE order_id = ?", done)
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def unsent(self, limit: int = 50) -> list[Waiting]:
        with self._lock:
            rows = self._db.execute(
                "SELECT id, payload FROM receipt WHERE sent = 0 ORDER BY id LIMIT ?", (limit,)
            ).fetchall()
            return ([Waiting(*row) for row in rows] + self._unwritten_receipts)[:limit]

    def sent(self, ids: list[int], *, refused: bool = False) -> None:
        with self._lock:
            self._unwritten_receipts = [one for one in self._unwritten_receipts if one.id not in ids]
            try:
                self._db.executemany(
                    "UPDATE receipt SET sent = ? WHERE id = ?",
                    [(2 if refused else 1, number) for number in ids],
                )
            except sqlite3.Error as error:
                log.error("sent receipts cannot be marked, they are sent once more: %s", error)
                time.sleep(1.0)

    def close(self) -> None:
        with self._lock:
            self._db.close()
