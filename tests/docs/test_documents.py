"""Documents cannot lie: what they list is what the code has, and nothing in them belongs elsewhere."""

import re
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

import hostagent
from apps.accounts.roles import RIGHTS, Right, Role
from apps.audit.actions import ACTIONS
from apps.feed.kinds import KINDS
from tests.architecture.tree import ROOT, code, kept, name

VARIABLE = re.compile(r"\b(SENTINEL_[A-Z][A-Z_]*[A-Z]|DATABASE_URL|DATABASE_OWNER_URL|REDIS_URL)\b")
LITERAL = re.compile(r"""["'](SENTINEL_[A-Z][A-Z_]*[A-Z]|DATABASE_URL|DATABASE_OWNER_URL|REDIS_URL)["']""")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Spelt in halves, so that this file does not hold what it forbids.
REGISTRIES = [
    "pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "registry.yarn" + "pkg.com",
    "deb.deb" + "ian.org", "proxy.go" + "lang.org", "index.cr" + "ates.io", "static.cr" + "ates.io",
    "gh" + "cr.io", "registry-1.do" + "cker.io", "playwright.az" + "ureedge.net",
]  # fmt: skip
MACHINE = re.compile("/wo" + r"rk/(main|shared)|/ro" + r"ot/\.pyenv|/tmp/br" + "ief")


def table(path: Path, heading: str) -> set[str]:
    """First cells, in backticks, of the table under `heading`."""
    text = path.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))


def read_by_code() -> set[str]:
    found = {word for path in code() for word in LITERAL.findall(path.read_text())}
    return found | set(VARIABLE.findall((ROOT / "apps" / "gateway" / "install.sh").read_text()))


def test_every_setting_that_is_read_is_explained_and_no_other() -> None:
    explained = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    given_by_settings = {word for word in read_by_code() if VARIABLE.fullmatch(word)}
    assert explained == given_by_settings


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    for path in DOCUMENTS:
        assert set(VARIABLE.findall(path.read_text())) <= read_by_code(), name(path)


def test_every_audit_action_and_every_kind_of_live_item_is_in_the_glossary() -> None:
    glossary = ROOT / "docs" / "glossary.md"
    assert table(glossary, "Audit actions") == set(ACTIONS)
    assert table(glossary, "Live items") == set(KINDS)


def test_the_table_of_rights_is_the_one_in_the_code() -> None:
    text = (
        (ROOT / "docs" / "glossary.md").read_text().split("## Roles and rights\n", 1)[1].split("\n## ", 1)[0]
    )
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    roles = [cell.lower() for cell in rows[0][2:]]
    assert roles == [role.value for role in Role]
    told = {
        row[0].strip("`"): {role for role, cell in zip(roles, row[2:], strict=True) if cell}
        for row in rows[2:]
    }
    assert told == {right.value: {role.value for role in Role if right in RIGHTS[role]} for right in Right}


def test_the_version_is_the_newest_of_the_changelog_everywhere() -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == settings.VERSION
    assert hostagent.__version__ == newest[1]
    for path in (ROOT / "pyproject.toml", ROOT / "hostagent" / "pyproject.toml"):
        assert tomllib.loads(path.read_text())["project"]["version"] == newest[1]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_between_documents_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), f"{name(path)} -> {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_path_that_a_document_names_exists(path: Path) -> None:
    for target in re.findall(
        r"`((?:apps|sentinel|hostagent|tests|docs|static|templates|benchmarks)/[\w./-]*)`", path.read_text()
    ):
        assert (ROOT / target).exists(), f"{name(path)}: {target}"


def test_no_file_names_a_package_registry_or_a_place_on_somebodys_machine() -> None:
    for path in kept():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        assert not [host for host in REGISTRIES if host in text], name(path)
        found = MACHINE.search(text)
        assert found is None, f"{name(path)}: {found and found.group(0)}"


def test_every_decision_is_numbered_and_says_what_it_costs() -> None:
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in found] == [f"{number:04d}" for number in range(1, len(found) + 1)]
    for path in found:
        text = path.read_text()
        for heading in ("## Why", "## Instead of", "## What it costs"):
            assert heading in text, f"{name(path)}: {heading}"
