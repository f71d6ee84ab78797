"""The spool keeps what it took, numbers it without a hole, and counts exactly what it could not keep."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hostagent.spool import Batch, Spool, line_of
from tests.hostagent.conftest import ENV


def lines(count: int, *, kind: str = "process.start", size: int = 100) -> list[Any]:
    return [
        line_of({"kind": kind, "at": 1000.0 + n, "pad": os.urandom(size // 2).hex()}) for n in range(count)
    ]


def content(batch: Batch | None) -> list[dict[str, Any]]:
    assert batch is not None
    return json.loads(gzip.decompress(batch.body) if batch.encoding == "gzip" else batch.body)


def test_numbers_have_no_hole_and_a_batch_stays_until_its_number_is_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    assert [spool.add(lines(2)).sequence for _ in range(3)] == [1, 2, 3]  # type: ignore[union-attr]
    assert spool.next_batch() == spool.next_batch()
    spool.acknowledge(1)
    assert spool.next_batch().sequence == 2  # type: ignore[union-attr]
    spool.close()
    again = Spool(tmp_path / "spool.db")
    assert again.next_batch().sequence == 2  # type: ignore[union-attr]
    again.acknowledge(2)
    again.acknowledge(3)
    assert again.next_batch() is None
    assert again.figures() == {"pending": 0, "bytes": 0, "dropped": 0, "next": 4}
    assert again.add(lines(1)).sequence == 4  # type: ignore[union-attr]


def test_what_was_taken_survives_kill_9_with_how_far_it_was_read(tmp_path: Path) -> None:
    code = """
import sys
from hostagent.spool import Spool, line_of
spool = Spool(__import__("pathlib").Path(sys.argv[1]))
number = 0
while True:
    number += 1
    spool.add([line_of({"kind": "span", "at": 1.0, "n": number})], cursors={"file": number})
    print(number, flush=True)
"""
    path = tmp_path / "spool.db"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=ENV, text=True
    )
    assert process.stdout is not None
    said = 0
    while said < 50:
        said = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    said = int(rest[-1]) if rest and rest[-1].isdigit() else said
    process.wait(10)
    spool = Spool(path)
    kept = []
    while (batch := spool.next_batch()) is not None:
        kept += [record["n"] for record in content(batch)]
        spool.acknowledge(batch.sequence)
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= said
    assert spool.position("file") == len(kept)


def test_over_quota_the_loss_is_exact_and_told_with_the_next_batch(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", quota=20_000)
    while spool.add(lines(10, size=400)) is not None:
        pass
    assert spool.add(lines(7)) is None
    assert spool.add(lines(3, kind="socket.open")) is None
    dropped = spool.figures()["dropped"]
    assert dropped == 20
    spool.acknowledge(spool.figures()["next"] - 1)
    gap, kept = content(spool.add(lines(1)))
    assert gap["kind"] == "gap"
    assert gap["dropped"] == 20
    assert gap["kinds"] == {"process.start": 17, "socket.open": 3}
    assert (gap["from_at"], gap["to_at"]) == (1000.0, 1009.0)
    assert gap["reason"] == "quota"
    assert gap["to_sequence"] == gap["from_sequence"] + 1
    assert kept["kind"] == "process.start"
    assert spool.figures()["dropped"] == 20
    assert len(content(spool.add(lines(1)))) == 1  # told once


def test_the_count_of_what_was_lost_survives_kill_9_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", quota=10)
    spool.add(lines(1))
    assert spool.add(lines(5)) is None
    again = Spool(tmp_path / "spool.db", quota=10_000)  # as after a kill: nothing was closed
    assert content(again.add(lines(1)))[0]["dropped"] == 5


def test_the_last_tenth_is_for_what_matters_most(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", quota=10_000)
    while spool.figures()["bytes"] < 9_000:
        spool.add(lines(1, size=1_000))
    assert spool.add(lines(1)) is None
    assert spool.add(lines(1, kind="alert")) is not None


def test_a_number_that_another_body_took_is_skipped_and_nothing_is_lost(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    for _ in range(3):
        spool.add(lines(1))
    bodies = [spool.next_batch().body]  # type: ignore[union-attr]
    spool.skip_number(1)
    assert spool.next_batch().sequence == 2  # type: ignore[union-attr]
    assert spool.next_batch().body == bodies[0]  # type: ignore[union-attr]
    assert spool.add(lines(1)).sequence == 5  # type: ignore[union-attr]


def test_a_poisonous_batch_gives_its_number_to_an_account_of_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.add(lines(4))
    spool.add(lines(1))
    spool.replace_by_gap(1, reason="rejected by server: 400")
    batch = spool.next_batch()
    assert batch is not None
    assert batch.sequence == 1
    (gap,) = content(batch)
    assert (gap["kind"], gap["dropped"], gap["reason"]) == ("gap", 4, "rejected by server: 400")
    spool.acknowledge(1)
    spool.acknowledge(2)
    assert spool.figures()["bytes"] == 0


def test_a_full_disk_loses_records_and_not_the_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.add(lines(1))
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    assert spool.add(lines(1, size=40_000)) is None
    assert spool.add(lines(2, size=40_000)) is None
    assert spool.figures()["dropped"] == 3
    spool._db.execute("PRAGMA max_page_count = 100000")
    gap = content(spool.add(lines(1)))[0]
    assert gap["reason"] == "disk full"
    assert gap["dropped"] == 3
    assert spool.figures()["pending"] == 2


def test_text_that_is_no_unicode_does_not_stop_a_batch(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    batch = spool.add([line_of({"kind": "process.start", "at": time.time(), "argv": ["\ud800", "\0", "é"]})])
    assert content(batch)[0]["argv"] == ["?", "\0", "é"]
