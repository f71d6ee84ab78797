"""Logs are cut while their writers go on, and a disk that fills up is said once."""

from pathlib import Path

import pytest

from sentinel.stack import upkeep


def test_a_large_log_is_kept_once_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LARGEST_LOG_BYTES", 10)
    log = tmp_path / "web.log"
    with log.open("a") as writer:
        writer.write("a line of more than ten bytes\n")
        writer.flush()
        upkeep.keep_small(tmp_path)
        writer.write("next\n")
    assert log.read_text() == "next\n"
    assert (tmp_path / "web.log.1").read_text() == "a line of more than ten bytes\n"


def test_little_space_is_said_once_and_so_is_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = upkeep.Upkeep(tmp_path)
    for free in (10 * 2**30, 2**20, 2**20, 10 * 2**30):
        seen.warn_of_space(free)
    said = capsys.readouterr().out.splitlines()
    assert [line[10:].replace(str(tmp_path), "HOME") for line in said] == [
        "The disk that holds HOME has 1 MiB left: free some space.",
        "The disk that holds HOME has space again.",
    ]
