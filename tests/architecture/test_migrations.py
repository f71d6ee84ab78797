"""The tables are what the models say, and every migration says what it does."""

import io
import re

import pytest
from django.core.management import call_command

from tests.architecture.tree import ROOT


@pytest.mark.django_db
def test_no_model_has_moved_on_without_a_migration() -> None:
    out = io.StringIO()
    try:
        call_command("makemigrations", "--check", "--dry-run", verbosity=1, stdout=out)
    except SystemExit:
        pytest.fail(out.getvalue())


def test_every_migration_is_named_by_a_person() -> None:
    for path in (ROOT / "apps").glob("*/migrations/0*.py"):
        assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]+", path.stem), path.name
        assert not re.search(r"_(auto|initial|alter|remove|rename)(_|\d|$)", path.stem), path.name


def test_a_room_has_one_line_of_migrations() -> None:
    for folder in (ROOT / "apps").glob("*/migrations"):
        numbers = [path.stem[:4] for path in sorted(folder.glob("0*.py"))]
        assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)], folder.parent.name
