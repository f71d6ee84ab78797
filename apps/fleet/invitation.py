"""The one line that a person pastes on a host to put it under watch."""

import shlex

PATH = "/agent/v1/install"


def install_command(server: str, token: str) -> str:
    """Fetches the install script from `server` and runs it with `token`.

    The token stands in the environment of one shell and in no argument: no other user of the host sees it.
    """
    place = shlex.quote(server.rstrip("/") + PATH)
    return f"curl -fsS {place} | SENTINEL_ENROL_TOKEN={shlex.quote(token)} sh"
