"""A short trail, and an export of it as a file."""

from collections.abc import Callable
from pathlib import Path

from django.db import transaction

from apps.audit import export
from apps.audit.services import By, Subject, record

INGRID = By("person", "ingrid")
HOSTILE = '=HYPERLINK("x")\u202e\x1b[31m\r\nnext, "line"\u2028'
Exported = Callable[..., Path]


def make_trail() -> None:
    """Twelve acts, some of them a drill's, some with hostile text in every place that takes text."""
    with transaction.atomic():
        for number in range(1, 13):
            record(
                "incident.taken",
                by=By("person", "-robin" if number % 2 else "ingrid"),
                subject=Subject("incident", str(number % 3), HOSTILE),
                drill=number % 4 == 0,
                note=HOSTILE,
                keys={"\ue000": 1, "\U0001f600": 2, "z": [True, None, 2**70, -5]},
            )


def write_export(folder: Path, form: str, **wishes: str) -> Path:
    """An export as a file in `folder`."""
    made = export.begin(by=INGRID, form=form, selection=export.Selection(**wishes))
    path = folder / made.filename
    path.write_bytes(b"".join(export.chunks(made)))
    return path
