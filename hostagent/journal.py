"""The order journal: which orders were taken, how far each got, and every receipt until it is delivered.

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

from hostagent.protocol import Signed

log = logging.getLogger(__name__)

KEEP_S = 90 * 86_400.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (
    order_id INTEGER PRIMARY KEY, nonce TEXT NOT NULL UNIQUE, payload TEXT NOT NULL,
    taken_at REAL NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS receipt (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, seq INTEGER NOT NULL, payload TEXT NOT NULL,
    signature TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0, UNIQUE (order_id, seq));
CREATE INDEX IF NOT EXISTS receipt_unsent ON receipt (id) WHERE sent = 0;
"""


class Waiting(NamedTuple):
    id: int  # below zero: kept in memory only
    signed: Signed


class Journal:
    """Survives kill -9 at any line; each call is one transaction."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._unwritten_orders: dict[int, tuple[str, str]] = {}
        self._unwritten_receipts: list[Waiting] = []
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        # What was written survives this process at once; a host that loses power has no run left to stop
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
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

    def add_receipt(self, order_id: int, seq: int, signed: Signed, *, final: bool) -> None:
        """The receipt is on disk; a final one closes its order in the same transaction."""
        with self._lock:
            try:
                self._write_receipt(order_id, seq, signed, final)
            except sqlite3.Error as error:
                log.error("receipt %s of order %s kept in memory: %s", seq, order_id, error)
                self._unwritten_receipts.append(Waiting(-len(self._unwritten_receipts) - 1, signed))

    def _write_receipt(self, order_id: int, seq: int, signed: Signed, final: bool) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT INTO receipt (order_id, seq, payload, signature) VALUES (?, ?, ?, ?)",
                (order_id, seq, signed["payload"], signed["signature"]),
            )
            if final:
                self._db.execute("UPDATE taken SET done = 1 WHERE order_id = ?", (order_id,))
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def unsent(self, limit: int = 50) -> list[Waiting]:
        with self._lock:
            rows = self._db.execute(
                "SELECT id, payload, signature FROM receipt WHERE sent = 0 ORDER BY id LIMIT ?", (limit,)
            ).fetchall()
            kept = [Waiting(number, {"payload": text, "signature": mark}) for number, text, mark in rows]
            return (kept + self._unwritten_receipts)[:limit]

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
