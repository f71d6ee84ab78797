"""In which order receipts leave the host: what a stop came to does not wait behind its evidence."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, cast

from hostagent.client import AgentClient
from hostagent.journal import Journal
from hostagent.keys import create_key, load_key
from hostagent.protocol import OrderPayload
from hostagent.receipts import Receipts


class Heard:
    """A server that takes every receipt."""

    def __init__(self) -> None:
        self.posts: list[list[str]] = []

    def post(self, path: str, body: bytes) -> None:
        self.posts.append([json.loads(one["payload"])["stage"] for one in json.loads(body)])


def posted(heard: Heard, tmp_path: Path, stages: list[str], argv: Any = ("x" * 9_000,)) -> Journal:
    """What is in the journal after the stages were given and the agent ended."""
    stop = threading.Event()
    journal = Journal(tmp_path / "journal.db")
    key = tmp_path / "key"
    receipts = Receipts(journal, load_key(key) if key.exists() else create_key(key), cast(AgentClient, heard))
    order = cast(OrderPayload, {"order_id": 7, "nonce": "n"})
    for stage in stages:
        evidence: dict[str, Any] | None = {"argv": argv} if stage == "CAPTURED" else None
        receipts.give(order, stage, since=time.monotonic(), evidence=evidence)  # type: ignore[arg-type]
    stop.set()
    receipts.run(stop)
    return journal


def test_the_result_goes_first_and_all_go(tmp_path: Path) -> None:
    heard = Heard()
    journal = posted(heard, tmp_path, ["DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED", "WATCHING"])
    assert heard.posts[0] == ["WATCHING"]
    assert sorted(heard.posts[1]) == ["CAPTURED", "DELIVERED", "FROZEN", "SIGNALLED"]
    assert journal.unsent() == []


def test_all_are_on_disk_before_the_result_leaves(tmp_path: Path) -> None:
    kept: list[int] = []

    class Looks(Heard):
        def post(self, path: str, body: bytes) -> None:
            with sqlite3.connect(tmp_path / "journal.db") as disk:  # as another process would see it
                kept.append(disk.execute("SELECT count(*) FROM receipt").fetchone()[0])
            super().post(path, body)

    looks = Looks()
    posted(looks, tmp_path, ["DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED", "WATCHING"])
    assert looks.posts[0] == ["WATCHING"]
    assert kept[0] == 5, "an agent killed now leaves a hole in the numbers, and loses its evidence"


def test_evidence_that_cannot_be_written_does_not_cost_the_result(tmp_path: Path) -> None:
    heard = Heard()
    posted(heard, tmp_path, ["DELIVERED", "CAPTURED", "WATCHING"], argv=[object()])
    assert heard.posts == [["WATCHING"], ["DELIVERED"]]


def test_steps_without_a_result_yet_go_together(tmp_path: Path) -> None:
    heard = Heard()
    posted(heard, tmp_path, ["DELIVERED", "FROZEN"])
    assert heard.posts == [["DELIVERED", "FROZEN"]]


class Away(Heard):
    """A server that is not there."""

    def post(self, path: str, body: bytes) -> None:
        raise OSError


def test_with_the_server_away_every_one_is_kept(tmp_path: Path) -> None:
    journal = posted(Away(), tmp_path, ["DELIVERED", "CAPTURED", "WATCHING"])
    kept = {json.loads(one.payload)["stage"] for one in journal.unsent()}
    assert kept == {"DELIVERED", "CAPTURED", "WATCHING"}


def test_a_result_behind_what_waited_for_the_server_goes_in_its_turn(tmp_path: Path) -> None:
    posted(Away(), tmp_path, ["FROZEN"] * 60).close()
    heard = Heard()
    journal = posted(heard, tmp_path, ["DELIVERED", "WATCHING"])
    assert [len(stages) for stages in heard.posts] == [50, 12]
    assert journal.unsent() == []


def test_the_same_receipt_carries_the_same_signature_each_time(tmp_path: Path) -> None:
    """It is made anew when the receipt leaves; the server knows a repetition by its exact words."""
    bodies: list[bytes] = []

    class Keeps(Heard):
        def post(self, path: str, body: bytes) -> None:
            bodies.append(body)
            if len(bodies) == 1:
                raise ConnectionResetError

    posted(cast(Heard, Keeps()), tmp_path, ["DELIVERED"]).close()
    posted(cast(Heard, Keeps()), tmp_path, [])
    assert bodies[0] == bodies[1]


def test_a_journal_that_kept_signatures_is_read_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.db") as disk:
        disk.executescript(
            "CREATE TABLE receipt (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, seq INTEGER NOT NULL,"
            " payload TEXT NOT NULL, signature TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0,"
            " UNIQUE (order_id, seq));"
        )
        waiting = json.dumps({"stage": "WATCHING"})
        disk.execute("INSERT INTO receipt VALUES (1, 6, 0, ?, 'sig', 0)", (waiting,))
    disk.close()
    heard = Heard()
    journal = posted(heard, tmp_path, ["DELIVERED"])
    assert heard.posts == [["WATCHING", "DELIVERED"]]
    assert journal.unsent() == []
