"""An export says what it holds, is itself in the trail, and gives hostile text no power."""

import csv
import io
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from apps.audit import checkpoints, export, notes, verify
from apps.audit.models import AuditEntry, Checkpoint
from tests.audit.trails import INGRID, Exported


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_verifier_alone_accepts_an_untouched_export(exported: Exported, form: str) -> None:
    path = exported(form)
    command = [sys.executable, "-I", "-S", verify.__file__, str(path), "--key", notes.verifier_key()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert "The trail holds: entries 1 to 13, 13 in full." in done.stdout


def test_several_exports_are_checked_in_one_go_and_the_worst_counts(
    exported: Exported, tmp_path: Path
) -> None:
    good, bad, none = exported("jsonl"), tmp_path / "bad.jsonl", tmp_path / "none.jsonl"
    bad.write_text(good.read_text().replace('"subject_id":"2"', '"subject_id":"9"', 1))
    none.write_text("nothing")
    codes = []
    for files in ([good, good], [good, bad, good], [none, good]):
        command = [sys.executable, "-I", "-S", verify.__file__, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        codes.append(done.returncode)
        assert f"{good}: The trail holds" in done.stdout
    assert codes == [0, 1, 2]


def test_the_verifier_alone_names_the_broken_link_and_fails(exported: Exported) -> None:
    path = exported("jsonl")
    path.write_text(path.read_text().replace('"subject_id":"2"', '"subject_id":"9"', 1))
    done = subprocess.run(
        [sys.executable, "-I", "-S", verify.__file__, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout.startswith("BROKEN: entry 2 was changed")


def test_the_export_contains_its_own_act_and_a_checkpoint_over_it(exported: Exported) -> None:
    path = exported("jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    own = AuditEntry.objects.get(action="audit.exported")
    assert [rows[-2]["action"], rows[-2]["seq"]] == ["audit.exported", own.seq]
    assert rows[-1]["checkpoint"] == Checkpoint.objects.get(size=own.seq).note
    assert AuditEntry.objects.get(seq=own.seq + 1).action == "checkpoint.signed"


def test_a_drill_is_marked_in_every_form(exported: Exported) -> None:
    lines = [json.loads(line) for line in exported("jsonl").read_text().splitlines()]
    assert [row["seq"] for row in lines if row.get("drill")] == [4, 8, 12]
    rows = csv.DictReader(io.StringIO(exported("csv").read_bytes().decode(), newline=""))
    assert [row["seq"] for row in rows if row["drill"] == "true"] == ["4", "8", "12"]


def test_a_selection_gives_the_rest_as_digests_and_still_holds(exported: Exported) -> None:
    path = exported("jsonl", subject_kind="incident", subject_id="2")
    trail = verify.check(path, notes.verifier_key())
    assert (trail.entries, trail.withheld) == (4, 9)
    assert "subject_kind incident, subject_id 2" in verify.said(trail, None)


def test_a_stretch_of_time_ends_in_a_checkpoint_of_its_own(trail: None) -> None:
    times = list(AuditEntry.objects.order_by("seq").values_list("at", flat=True))
    made = export.begin(by=INGRID, form="jsonl", since=times[3], until=times[7])
    assert (made.first, made.last) == (4, 8)
    assert Checkpoint.objects.filter(size=8).exists()


def test_an_empty_stretch_and_an_unknown_form_are_refused_and_leave_no_entry(trail: None) -> None:
    with pytest.raises(export.NothingToExport):
        export.begin(by=INGRID, form="jsonl", until=timezone.now() - timedelta(days=1))
    with pytest.raises(ValueError, match="jsonl, csv"):
        export.begin(by=INGRID, form="xlsx")
    assert not AuditEntry.objects.filter(action="audit.exported").exists()


def test_no_cell_of_a_csv_is_a_formula_and_no_line_of_text_can_move_the_screen(exported: Exported) -> None:
    for row in csv.reader(io.StringIO(exported("csv").read_bytes().decode(), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    text = exported("jsonl").read_text()
    assert text.isascii()
    assert "\x1b" not in text


@pytest.mark.django_db(transaction=True)
async def test_the_stream_of_an_answer_is_the_content_of_the_export() -> None:
    made = export.Export("jsonl", 1, 0, export.Selection(), "")
    assert b"".join([piece async for piece in export.stream(made)]).startswith(b'{"start"')
    await sync_to_async(connections.close_all)()


def test_the_command_holds_a_file_against_this_servers_key(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported("csv")
    call_command("audit_verify", str(path))
    assert "The trail holds" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CommandError, match="BROKEN"):
        call_command("audit_verify", str(path))


def test_a_broken_chain_is_still_exported_but_never_sealed(
    trail: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise checkpoints.ChainBroken("entry 3 was changed")

    monkeypatch.setattr("apps.audit.checkpoints.sign", refuse)
    made = export.begin(by=INGRID, form="jsonl")
    assert "entry 3 was changed" in made.statement
    assert b'"checkpoint"' not in b"".join(export.chunks(made))
