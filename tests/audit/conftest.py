"""A trail and exports of it. Models are imported late: this file is read before Django is set up."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trail(db: None) -> None:
    from tests.audit.trails import make_trail

    make_trail()


@pytest.fixture
def exported(trail: None, tmp_path: Path) -> Any:
    from tests.audit.trails import write_export

    return partial(write_export, tmp_path)
