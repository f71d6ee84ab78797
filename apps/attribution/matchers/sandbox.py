"""The process runs in the very sandbox (a container, by its id) that a tool call says it runs in."""

from apps.attribution.case import Case, Match

ONLY_ONE, LATEST = 74, 55
SHORTEST = 8  # characters of an id: a shorter one may stand in any path


def match(case: Case) -> list[Match]:
    """The tool call of that sandbox; of several, the latest that had begun."""
    if not case.line:
        return []
    inside = case.line[0].cgroup
    begun = [call for call in case.possible if call.started_at <= case.occurred_at + case.slack]
    mine = [call for call in begun if len(call.sandbox) >= SHORTEST and call.sandbox in inside]
    if not mine:
        return []
    last = max(mine, key=lambda call: call.started_at)
    where = f"Its cgroup is that of the sandbox {last.sandbox[:64]}"
    if len(mine) == 1:
        return [Match("sandbox", ONLY_ONE, f"{where}, which this tool call alone names.", last)]
    return [Match("sandbox", LATEST, f"{where}; of {len(mine)} tool calls in it this was the latest.", last)]
