"""A tool call in one line: its command where the arguments hold one, else all of them."""

import pytest

from apps.console.panels.spoken import said, spoken
from apps.telemetry.models import ToolCall


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ('{"command": "ls -la"}', "ls -la"),
        ('{"cmd": ["git", "log", "a b"]}', "git log 'a b'"),
        ('{"code": "print(1)", "timeout": 5}', "print(1) …"),
        ('{"command": ""}', '{"command": ""}'),
        ('{"command": {"a": 1}}', '{"command": {"a": 1}}'),
        ('{"path": "/etc/passwd"}', '{"path": "/etc/passwd"}'),
        ('{"command": "cut off here', '{"command": "cut off here'),
        ("ls -la", "ls -la"),
        ('["ls"]', '["ls"]'),
        ("", ""),
        ("[" * 20_000, "[" * 20_000),
        ('{"a":' * 4_000, '{"a":' * 4_000),
        ('{"a":' * 3_000, '{"a":' * 3_000),
    ],
)
def test_the_command_is_taken_out_of_its_arguments(arguments: str, line: str):
    assert spoken(arguments) == line


def test_the_tool_is_named_where_there_is_no_command():
    assert said(ToolCall(name="read_file", arguments='{"path": "a"}')) == 'read_file: {"path": "a"}'
    assert said(ToolCall(name="bash", arguments='{"command": "id"}')) == "id"
    assert said(ToolCall(name="bash")) == "bash"
