"""Whatever is done to an exported trail, the verifier says so and names the first broken link."""

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.audit import notes, verify
from tests.audit.trails import Exported

Rows = list[dict[str, Any]]
Tampering = Callable[[Rows], None]


def rows_of(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def place(rows: Rows, seq: int) -> int:
    return next(at for at, row in enumerate(rows) if row.get("seq") == seq)


def edit(rows: Rows) -> None:
    rows[place(rows, 5)]["by_name"] = "mallory"


def edit_in_depth(rows: Rows) -> None:
    rows[place(rows, 5)]["detail"]["keys"]["z"][0] = 1


def edit_and_hash_anew(rows: Rows) -> None:
    row = rows[place(rows, 5)]
    row["by_name"] = "mallory"
    row["hash"] = verify.following(row["previous_hash"], row)


def rewrite_all_that_follows(rows: Rows) -> None:
    edit(rows)
    previous = rows[place(rows, 4)]["hash"]
    for row in rows[place(rows, 5) :]:
        if "hash" in row:
            row["previous_hash"] = previous
            previous = row["hash"] = verify.following(previous, row)


def remove(rows: Rows) -> None:
    del rows[place(rows, 5)]


def remove_and_close_the_gap(rows: Rows) -> None:
    del rows[place(rows, 5)]
    rows[place(rows, 6)]["seq"] = 5


def remove_the_first(rows: Rows) -> None:
    del rows[place(rows, 1)]


def insert(rows: Rows) -> None:
    rows.insert(place(rows, 5), dict(rows[place(rows, 5)]))


def reorder(rows: Rows) -> None:
    at = place(rows, 5)
    rows[at], rows[at + 1] = rows[at + 1], rows[at]


def renumber_after_reorder(rows: Rows) -> None:
    reorder(rows)
    at = place(rows, 6)
    rows[at]["seq"], rows[at + 1]["seq"] = 5, 6


def cut_the_tail(rows: Rows) -> None:
    del rows[place(rows, 10) :]


def cut_the_tail_but_keep_the_checkpoint(rows: Rows) -> None:
    del rows[place(rows, 10) : -1]


def drop_the_checkpoint(rows: Rows) -> None:
    rows.pop()


def drop_the_statement(rows: Rows) -> None:
    rows.pop(0)


def change_the_statement(rows: Rows) -> None:
    start = rows[0]["start"]
    start["statement"] = start["statement"].replace('"last":13', '"last":12')


def state_another_key(rows: Rows) -> None:
    rows[0]["start"]["key"] = rows[0]["start"]["key"][:-8] + "AAAAAAA="


def add_after_the_end(rows: Rows) -> None:
    rows.append({**rows[place(rows, 13)], "seq": 14})


def add_a_field(rows: Rows) -> None:
    rows[place(rows, 5)]["approved_by"] = "ingrid"


def hide_one_as_withheld(rows: Rows) -> None:
    rows[place(rows, 5)] = {"seq": 5, "withheld": rows[place(rows, 4)]["hash"]}


def write_no_text(rows: Rows) -> None:
    rows[place(rows, 5)]["by_name"] = "\ud800"


@pytest.mark.parametrize(
    ("tampering", "named"),
    [
        (edit, "entry 5 was changed"),
        (edit_in_depth, "entry 5 was changed"),
        (edit_and_hash_anew, "entry 6 does not follow entry 5"),
        (rewrite_all_that_follows, "up to 13 are not those that were signed"),
        (remove, "entry 5 is missing"),
        (remove_and_close_the_gap, "entry 5 does not follow entry 4"),
        (remove_the_first, "entry 1 is missing"),
        (insert, "entry 5 stands after entry 5"),
        (reorder, "entry 5 is missing"),
        (renumber_after_reorder, "entry 5 does not follow entry 4"),
        (cut_the_tail, "the tail was cut: the file ends after entry 9 of 13"),
        (cut_the_tail_but_keep_the_checkpoint, "up to 9 are not those that were signed"),
        (drop_the_checkpoint, "no signed checkpoint stands over the last entry, 13"),
        (drop_the_statement, "does not begin with the signed statement"),
        (change_the_statement, "does not begin with the signed statement"),
        (state_another_key, "does not begin with the signed statement"),
        (add_after_the_end, "entry 14 was added"),
        (add_a_field, "other fields than an entry"),
        (hide_one_as_withheld, "entry 6 does not follow entry 5"),
        (write_no_text, "entry 5 was changed"),
    ],
)
def test_tampering_with_json_lines_is_found_and_named(
    exported: Exported, tampering: Tampering, named: str
) -> None:
    path = exported("jsonl")
    verify.check(path, notes.verifier_key())
    rows = rows_of(path)
    tampering(rows)
    key = None if tampering is state_another_key else notes.verifier_key()
    with pytest.raises(verify.Broken) as raised:
        verify.check(written(path, rows), key)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("row", "column", "value", "named"),
    [
        (6, "by_name", "mallory", "entry 5 was changed"),
        (6, "drill", "true", "entry 5 was changed"),
        (6, "drill", "TRUE", "record 6 of the file cannot be read"),
        (6, "seq", "05", "record 6 of the file cannot be read"),
        (6, "subject_name", "=1+1", "record 6 of the file cannot be read"),
        (6, "subject_name", "'harmless", "record 6 of the file cannot be read"),
        (6, "detail", '{"note":"a","note":"b"}', "record 6 of the file cannot be read"),
        (6, "detail", '{"note":1.5}', "record 6 of the file cannot be read"),
    ],
)
def test_tampering_with_a_cell_of_a_csv_is_found_and_named(
    exported: Exported, row: int, column: str, value: str, named: str
) -> None:
    path = exported("csv")
    table = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
    assert table[row][0] == "5"
    table[row][verify.COLUMNS.index(column)] = value
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table)
    with pytest.raises(verify.Broken, match=named):
        verify.check(path, notes.verifier_key())


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_no_line_can_be_lost_or_doubled(exported: Exported, form: str) -> None:
    path = exported(form)
    records = path.read_bytes().splitlines(keepends=True) if form == "jsonl" else _csv_records(path)
    for at in range(len(records)):
        for changed in (records[:at] + records[at + 1 :], records[: at + 1] + records[at:]):
            path.write_bytes(b"".join(changed))
            with pytest.raises((verify.Broken, verify.Unreadable)):
                verify.check(path, notes.verifier_key())


def _csv_records(path: Path) -> list[bytes]:
    out = []
    for cells in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
        line = io.StringIO()
        csv.writer(line).writerow(cells)
        out.append(line.getvalue().encode())
    return out


def test_a_forger_with_a_key_of_their_own_is_found_by_the_key_from_elsewhere(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = notes.verifier_key()
    monkeypatch.setattr("apps.audit.notes.KEY", "forger")
    path = exported("jsonl")
    verify.check(path)  # the file alone is consistent in itself …
    with pytest.raises(verify.Broken):
        verify.check(path, honest)  # … but it is not this server's


def test_a_checkpoint_is_not_taken_for_another_size(exported: Exported) -> None:
    path = exported("jsonl")
    rows = rows_of(path)
    text = rows[-1]["checkpoint"].split("\n")
    assert text[1] == "13"
    assert base64.b64decode(text[2]).hex() == rows[-2]["hash"]
    text[1] = "12"
    rows[-1]["checkpoint"] = "\n".join(text)
    with pytest.raises(verify.Broken, match="checkpoint after entry 13 is not signed"):
        verify.check(written(path, rows), notes.verifier_key())
