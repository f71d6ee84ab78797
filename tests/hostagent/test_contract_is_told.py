"""What a run may do, as its launch tells it: a file's text or JSON, whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hostagent.__main__ import MOST_CONTRACT, contract_of
from hostagent.config import State
from hostagent.runs import RECORDS
from tests.hostagent.conftest import ENV


def test_json_is_told_as_data_and_a_file_as_its_text(tmp_path: Path) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text("programs: [git]\n")
    assert contract_of(str(file)) == {"yaml": "programs: [git]\n"}
    assert contract_of('{"programs": ["git"]}') == {"programs": ["git"]}


def test_what_would_be_cut_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text("#" * (MOST_CONTRACT + 1))
    with pytest.raises(ValueError, match="at most 8,000 characters"):
        contract_of(str(file))
    with pytest.raises(OSError, match="nowhere"):
        contract_of(str(tmp_path / "nowhere"))


def test_the_start_of_a_launched_run_carries_it(state: State, tmp_path: Path) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text("programs: [python3.12]\n")
    argv = [sys.executable, "-m", "hostagent", "launch", "--state", str(state.root), "--run", "told"]
    done = subprocess.run([*argv, "--contract", str(file), "--", "true"], env=ENV, timeout=30, check=False)
    assert done.returncode == 0
    (records,) = state.runs.glob(f"told-*/{RECORDS}")
    start = json.loads(records.read_text().splitlines()[0])
    assert (start["kind"], start["contract"]) == ("run.start", {"yaml": "programs: [python3.12]\n"})


def test_a_run_whose_contract_cannot_be_read_is_not_started(state: State, tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_bytes(b"\xff\xfe")
    argv = [sys.executable, "-m", "hostagent", "launch", "--state", str(state.root), "--run", "told"]
    given = [*argv, "--contract", str(tmp_path / "contract.yaml"), "--", "true"]
    done = subprocess.run(given, env=ENV, capture_output=True, timeout=30, check=False)
    assert (done.returncode, list(state.runs.glob("told-*"))) == (1, [])
    assert b"hostagent:" in done.stderr
