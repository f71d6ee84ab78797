"""The alert names addresses, ports and a time, as a firewall's does; who held that socket is known."""

from apps.attribution.case import Case, Match

EXACT, FAR_END = 60, 35


def match(case: Case) -> list[Match]:
    """The process that held the connection. It names no tool call; the process's own signs do."""
    held = case.held
    if case.flow is None or held is None or not case.line:
        return []
    pid = case.line[0].pid
    if held.exact:
        says = f"Pid {pid} held the connection that the alert names: both addresses and ports agree."
        return [Match("flow", EXACT, says)]
    says = (
        f"Pid {pid} alone was connected to {case.flow.target} at that time; the near end that the alert "
        "names is another, as behind address translation."
    )
    return [Match("flow", FAR_END, says)]
