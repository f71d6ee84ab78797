"""What a tool call asked for, whatever its tool calls the argument: the text of a command or of a program."""

from typing import Any

import msgspec

COMMAND_KEYS = ("command", "cmd", "code", "script", "input", "commands", "args", "arguments", "keystrokes")
PATH_KEYS = ("path", "file_path", "filename", "file", "target_file")
CONTENT_KEYS = ("content", "contents", "file_text", "text", "new_str", "data")


def command_text(arguments: str) -> str:
    """Shell or code in the arguments, which are JSON or the bare text; empty where they hold none."""
    if not arguments:
        return ""
    value = _read(arguments)
    if isinstance(value, dict):
        said = [value[key] for key in COMMAND_KEYS if isinstance(value.get(key), str | list)]
        return "\n".join(_joined(one) for one in said)
    if value is None:
        return arguments
    return _joined(value) if isinstance(value, str | list) else ""


def file_written(arguments: str) -> tuple[str, str] | None:
    """Path and content, where the arguments are those of a tool that writes a file."""
    value = _read(arguments) if arguments else None
    if not isinstance(value, dict):
        return None
    path = next((value[key] for key in PATH_KEYS if isinstance(value.get(key), str)), None)
    content = next((value[key] for key in CONTENT_KEYS if isinstance(value.get(key), str)), None)
    return (path, content) if path and content is not None else None


def _read(arguments: str) -> Any:
    """The JSON in `arguments`; None where it is no JSON."""
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None


def _joined(value: object) -> str:
    return " ".join(str(word) for word in value) if isinstance(value, list) else str(value)
