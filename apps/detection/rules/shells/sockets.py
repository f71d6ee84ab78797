"""Shells recognised by their sockets: a shell that owns a connection is somebody else's."""

from apps.detection.argv.launchers import SHELLS, shell_options
from apps.detection.argv.names import program_name
from apps.detection.facts import SocketFact
from apps.detection.rules.base import SOCKET, Detail, Rule
from apps.detection.rules.common import split_endpoint


def _shell_owns(fact: SocketFact) -> Detail | None:
    if fact.state != "ESTABLISHED" or fact.remote is None or not fact.argv:
        return None
    if program_name(fact.argv[0]) not in SHELLS and program_name(fact.exe) not in SHELLS:
        return None
    text, operands = shell_options(fact.argv[1:])
    if text is not None or (operands and "-s" not in fact.argv):
        return None  # a script may look at a port; the text rules judge it
    return {"shell": fact.argv[0], "remote": fact.remote, "port": split_endpoint(fact.remote)[1]}


def _temporary_program(fact: SocketFact) -> Detail | None:
    """A program from a scratch folder or from memory that talks to the outside."""
    odd = fact.exe.startswith(("/dev/shm/", "/memfd:", "memfd:")) or "(deleted)" in fact.exe  # noqa: S108
    if not odd or fact.remote is None or fact.state == "LISTEN":
        return None
    return {"exe": fact.exe, "remote": fact.remote}


SHELL_OWNS = Rule(
    slug="shell-owns-connection",
    version=1,
    family="shells",
    behaviour="reverse shell",
    level="critical",
    technique="T1059.004",
    title="Shell that owns a network connection",
    description=(
        "A shell without script or command text holds an established connection: its commands come from "
        "there."
    ),
    false_positives="A person who types /dev/tcp at a prompt.",
    examples=(
        '{"argv": ["sh", "-i"], "exe": "/usr/bin/dash", "state": "ESTABLISHED", "zone": "run", "local": '
        '"10.0.0.7:45210", "remote": "203.0.113.9:443"}',
    ),
    match=_shell_owns,
    on=frozenset({SOCKET}),
    reads="fact",
)
FROM_MEMORY = Rule(
    slug="unfiled-program-connects",
    version=1,
    family="accounting",
    behaviour="process out of place",
    level="high",
    technique="T1620",
    title="Program without a file connects",
    description=(
        "A program that runs from memory, from shared memory or from a deleted file opens a connection."
    ),
    false_positives="A service whose package was upgraded under it; it should be restarted anyway.",
    examples=(
        '{"argv": ["python3"], "exe": "/memfd:x (deleted)", "state": "SYN_SENT", "zone": "run", "local": '
        '"10.0.0.7:45210", "remote": "203.0.113.9:3333"}',
    ),
    match=_temporary_program,
    on=frozenset({SOCKET}),
    reads="fact",
)
RULES = (SHELL_OWNS, FROM_MEMORY)
