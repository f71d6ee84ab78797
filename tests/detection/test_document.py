"""docs/detection.md lists the rules that there are, as they are."""

import re

from apps.detection.rules import RULES
from tests.architecture.tree import ROOT

ROW = re.compile(r"^\| `([^`]+)` \| (\w+) \| ([T0-9.]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_rules_in_the_document_are_the_rules_in_the_code() -> None:
    written = set(ROW.findall((ROOT / "docs" / "detection.md").read_text()))
    assert written == {(r.slug, r.level, r.technique, r.behaviour, r.title) for r in RULES}
