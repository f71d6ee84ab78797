"""What a tool call asked for, in one line: the command itself where its arguments hold one."""

import json

from apps.console.templatetags.untrusted import as_text
from apps.telemetry.choices import KnownFrom
from apps.telemetry.models import ToolCall

KEYS = ("command", "cmd", "code", "script", "input")
NOT_TOLD = "not told yet: a process names this call, no span has"
PARSED = 16_384  # characters; what is longer is shown as it came


def spoken(arguments: str) -> str:
    """The command out of `{"command": …}`, else the arguments as they are; `…`: more stood beside it."""
    try:
        found = json.loads(arguments) if arguments[:1] == "{" and len(arguments) <= PARSED else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return arguments
    value = next((found[key] for key in KEYS if found.get(key)), None)
    if not isinstance(value, str | list):
        return arguments
    return f"{as_text(value)} …" if len(found) > 1 else as_text(value)


def said(call: ToolCall) -> str:
    """What `call` asked for: its command, else the tool's name and the arguments; or that nobody told."""
    if call.known_from == KnownFrom.PROCESS:
        return NOT_TOLD
    words = spoken(call.arguments)
    return words if words != call.arguments else f"{call.name}: {words}" if words else call.name
