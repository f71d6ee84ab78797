"""The record of processes ends what is ours, and never a stranger that has got an old number."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel.stack.ledger import MARK, Ledger, boot, started
from tests.hostagent.acting import until


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def write_record(folder: Path, pid: int, since: str, *, boot_id: str) -> Ledger:
    ledger = Ledger(folder)
    record = {"boot": boot_id, "instance": ledger.instance, "processes": {"web": [pid, since]}}
    ledger.path.write_text(json.dumps(record))
    return ledger


def test_a_recorded_process_is_ended(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    ledger = write_record(tmp_path, stranger.pid, started(stranger.pid), boot_id=boot())
    assert ledger.take_over() == 1
    assert stranger.wait(5) < 0


def test_another_process_with_the_same_number_is_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    earlier = str(int(started(stranger.pid)) - 1)
    ledger = write_record(tmp_path, stranger.pid, earlier, boot_id=boot())
    assert ledger.take_over() == 0
    assert stranger.poll() is None


def test_a_record_of_an_earlier_boot_means_nothing(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    ledger = write_record(tmp_path, stranger.pid, started(stranger.pid), boot_id="another boot")
    assert ledger.take_over() == 0
    assert stranger.poll() is None


def test_a_grandchild_that_left_the_group_is_found_by_its_mark(tmp_path: Path) -> None:
    ledger = write_record(tmp_path, 0, "", boot_id=boot())
    env = os.environ | {MARK: ledger.instance}
    with subprocess.Popen(["sleep", "60"], env=env, start_new_session=True) as grandchild:
        environ = Path(f"/proc/{grandchild.pid}/environ")
        until(lambda: MARK.encode() in environ.read_bytes())  # the kernel shows it a little after the exec
        assert ledger.take_over() == 1
        assert grandchild.wait(5) < 0


def test_a_torn_record_takes_nothing_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.path.write_text('{"boot": "')
    assert ledger.take_over() == 0
