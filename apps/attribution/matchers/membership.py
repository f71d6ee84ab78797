"""The process belongs to the training run: by its cgroup, or by the run's marker in its environment."""

from apps.attribution.case import Case, Kin, Match

CGROUP, MARKER, INHERITED = 60, 50, 40


def inside(cgroup: str, of: str) -> bool:
    """Whether `cgroup` is `of` or below it."""
    return bool(of.strip("/")) and f"{cgroup}/".startswith(f"{of.rstrip('/')}/")


def match(case: Case) -> list[Match]:
    """What makes the process (or the nearest ancestor) one of the run's. It names no tool call."""
    if case.run_id is None:
        return []
    for steps, kin in enumerate(case.line):
        if (found := _belongs(case, kin)) is None:
            continue
        strength, says = found
        if steps:
            return [Match("membership", INHERITED, f"An ancestor (pid {kin.pid}): {says}")]
        return [Match("membership", strength, says)]
    return []


def _belongs(case: Case, kin: Kin) -> tuple[int, str] | None:
    if inside(kin.cgroup, case.run_cgroup):
        return CGROUP, "The process is in the run's cgroup."
    if case.run_marker and kin.marker == case.run_marker:
        return MARKER, "The process carries the run's marker in its environment."
    return None
