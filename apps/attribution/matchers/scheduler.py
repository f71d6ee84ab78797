"""A scheduler of the host started it: nobody's tool call, unless one wrote the job."""

from apps.attribution.case import Case, Match
from apps.attribution.choices import Origin
from apps.detection.argv.names import names

STRENGTH = 55
SCHEDULERS = names("cron crond anacron atd")


def match(case: Case) -> list[Match]:
    """The nearest scheduler above the process. One above the run is how the run was launched: no rival."""
    for kin in case.line:
        if case.marked(kin):
            return []
        if kin.program in SCHEDULERS:
            says = f"A scheduler of the host ({kin.program}, pid {kin.pid}) started it."
            return [Match("scheduler", STRENGTH, says, against=True, origin=Origin.OPERATOR)]
    return []
