"""A package installer stands between the process and the tool call: its code may be the package's."""

from apps.attribution.case import Case, Kin, Match
from apps.attribution.choices import Origin
from apps.detection.argv.names import names, program_name

STRENGTH = 75
INSTALLERS = names("pip pip3 pipx uv npm npx pnpm yarn apt apt-get dpkg rpm dnf yum conda mamba gem cargo")
DOES = names("install i add ci build sync wheel update upgrade --configure --install -i create exec run")
MOST_WORDS = 4  # `python3 -m pip`, `/usr/bin/python3 /usr/bin/pip`


def match(case: Case) -> list[Match]:
    """The nearest installer above the process."""
    for steps, kin in enumerate(case.line):
        if steps and (name := installer(kin)):
            says = (
                f"{name} (pid {kin.pid}) is among its ancestors. Whatever a package does inherits the "
                "tool call's marks, so they cannot tell the package's code from the agent's."
            )
            return [Match("dependency", STRENGTH, says, against=True, origin=Origin.DEPENDENCY, steps=steps)]
    return []


def installer(kin: Kin) -> str:
    """The name of the package installer that this process is, or nothing."""
    if kin.argv and "/dpkg/info/" in kin.argv[0]:
        return "dpkg"
    head = [program_name(word) for word in kin.argv[:MOST_WORDS]]
    place = next((place for place, word in enumerate(head) if word in INSTALLERS), None)
    if place is None or not DOES.intersection(kin.argv[place + 1 : place + 6]):
        return ""
    return head[place]
