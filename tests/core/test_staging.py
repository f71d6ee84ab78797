"""A staging table holds the rows of its last use and no others, whatever became of the use before."""

import pytest
from django.db import transaction

from apps.core import bulk
from apps.core.bulk import rows, stage

pytestmark = pytest.mark.django_db(transaction=True)
COLUMNS = [("number", "integer"), ("words", "text")]


def held(*numbers: int) -> list[int]:
    table = stage("trial", COLUMNS, ((number, f"t\t\\N{number}\n") for number in numbers))
    found = rows(f"SELECT number, words FROM {table} ORDER BY number")  # noqa: S608
    assert all(words == f"t\t\\N{number}\n" for number, words in found)
    return [number for number, _ in found]


def test_second_use_in_one_transaction_starts_empty() -> None:
    with transaction.atomic():
        assert held(1, 2) == [1, 2]
        assert held(3) == [3]


def test_use_after_a_commit_starts_empty() -> None:
    with transaction.atomic():
        held(1)
    with transaction.atomic():
        assert held(2) == [2]


def test_use_after_a_rollback_starts_empty() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        held(1)
        raise ZeroDivisionError
    with transaction.atomic():
        assert held(2) == [2]


def test_what_piled_up_is_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_LEFT", 10)
    for _ in range(30):
        with transaction.atomic():
            assert held(*range(8)) == list(range(8))
    size = rows("SELECT pg_relation_size('pg_temp.stage_trial')")[0][0]
    assert size <= 8192 * 2
