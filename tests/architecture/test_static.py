"""Vendored files are the ones that were reviewed, and nothing a strict policy refuses is written."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
TEMPLATES = ROOT / "templates"
VENDOR = STATIC / "vendor"


def _listed() -> dict[str, str]:
    lines = (VENDOR / "CHECKSUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def _own(suffix: str) -> list[Path]:
    return [path for path in STATIC.rglob(f"*.{suffix}") if VENDOR not in path.parents]


def test_every_vendored_file_has_the_checksum_that_was_reviewed():
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in {"CHECKSUMS", "README.md"}
    }
    assert found == _listed()


def test_every_vendored_library_brings_its_licence_and_is_described():
    described = (VENDOR / "README.md").read_text()
    for name in _listed():
        assert (VENDOR / name).with_name("LICENSE").is_file(), name
        if not name.endswith("LICENSE"):
            assert f"`{name}`" in described, name


def test_no_template_needs_more_than_the_policy_allows():
    script = r"<script(?![^>]*\s(?:src=|type=\"application/json\"))"  # data is not run
    refused = re.compile(rf"<style|\sstyle=|\son[a-z]+=\s*[\"']|{script}|javascript:", re.IGNORECASE)
    for path in TEMPLATES.rglob("*.html"):
        found = refused.search(path.read_text())
        assert found is None, f"{path.relative_to(ROOT)}: {found and found.group(0)}"


def test_no_page_asks_another_site_for_anything():
    outside = re.compile(r"(?:src|href|url)\s*[=(]\s*[\"']?https?://")
    for path in [*TEMPLATES.rglob("*.html"), *_own("css"), *_own("js")]:
        assert outside.search(path.read_text()) is None, path


def test_raw_colours_live_in_the_tokens_alone():
    raw = re.compile(r"#[0-9a-f]{3,8}\b(?![\"')])", re.IGNORECASE)
    for path in _own("css"):
        if path.name != "tokens.css":
            rules = re.sub(
                r"/\*.*?\*/|url\([^)]*\)|#[a-z][\w-]*\s*[{,.:> ]", "", path.read_text(), flags=re.DOTALL
            )
            assert raw.search(rules) is None, f"{path.name}: {raw.search(rules)}"


def test_every_token_that_a_style_uses_exists():
    defined = set()
    for path in _own("css"):
        defined |= set(re.findall(r"(--[a-z][\w-]*)\s*:", path.read_text()))
    for path in _own("css"):
        used = set(re.findall(r"var\((--[a-z][\w-]*)\s*\)", path.read_text()))
        assert used <= defined, f"{path.name}: {used - defined}"


def test_every_icon_that_a_template_names_is_in_the_sprite():
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons" / "icons.svg").read_text()))
    for path in TEMPLATES.rglob("*.html"):
        named = set(re.findall(r"{%\s*icon\s+[\"']([^\"']+)[\"']", path.read_text()))
        assert named <= sprite, f"{path.relative_to(ROOT)}: {named - sprite}"


def test_every_static_file_that_a_template_names_exists():
    for path in TEMPLATES.rglob("*.html"):
        for name in re.findall(r"{%\s*static\s+[\"']([^\"']+)[\"']", path.read_text()):
            assert (STATIC / name).is_file(), f"{path.relative_to(ROOT)}: {name}"


def test_every_live_panel_has_the_id_by_which_it_is_found_again():
    for path in TEMPLATES.rglob("*.html"):
        for tag in re.findall(r"<(?!body)[a-z]+\b[^<]*?\bdata-topic=[^<]*?>", path.read_text()):
            assert re.search(r"\sid=", tag), f"{path.relative_to(ROOT)}: {tag[:120]}"
