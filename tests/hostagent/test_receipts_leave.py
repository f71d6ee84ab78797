"""In which order receipts leave the host: what a stop came to does not wait behind its evidence."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, cast

from hostagent.client import AgentClient
from hostagent.journal import Journal
from hostagent.keys import create_key
from hostagent.protocol import OrderPayload
from hostagent.receipts import Receipts


class Heard:
    """A server that takes every receipt."""

    def __init__(self) -> None:
        self.posts: list[list[str]] = []

    def post(self, path: str, body: bytes) -> None:
        self.posts.append([json.loads(one["payload"])["stage"] for one in json.loads(body)])


def test_short_receipts_go_before_long_ones_and_all_go(tmp_path: Path) -> None:
    heard, stop = Heard(), threading.Event()
    journal = Journal(tmp_path / "journal.db")
    receipts = Receipts(journal, create_key(tmp_path / "key"), cast(AgentClient, heard))
    order = cast(OrderPayload, {"order_id": 7, "nonce": "n"})
    evidence: dict[str, Any] = {"tree": [{"pid": pid, "argv": ["x" * 100]} for pid in range(500)]}
    for stage, taken in (("DELIVERED", None), ("CAPTURED", evidence), ("WATCHING", None)):
        receipts.give(order, stage, since=time.monotonic(), evidence=taken)  # type: ignore[arg-type]
    stop.set()
    receipts.run(stop)
    assert heard.posts == [["DELIVERED", "WATCHING"], ["CAPTURED"]]
    assert journal.unsent() == []
