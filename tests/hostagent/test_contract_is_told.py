"""What a run may do, as its launch tells it: a file's text or JSON, whole or not at all."""

from pathlib import Path

import pytest

from hostagent.__main__ import MOST_CONTRACT, contract_of


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
