"""Five ways in which it may have come about, each with what speaks for and against it. Pure.

They are read from what attributions rest on: a page shows the evidence that the machine concluded from.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.attribution.choices import Origin
from apps.attribution.conclude import ENOUGH, joined

LABELS = {
    Origin.MODEL: "The AI agent did it",
    Origin.OPERATOR: "Someone with access",
    Origin.EXTERNAL: "An outside party",
    Origin.DEPENDENCY: "Code of a package",
    Origin.MONITORING: "A monitoring error",
}
NOT_THERE = {
    Origin.OPERATOR: "No sign-in and no scheduler of the host stands among its ancestors.",
    Origin.EXTERNAL: "No session from outside stands among its ancestors.",
    Origin.DEPENDENCY: "No package installer stands among its ancestors.",
}
SEEN, UNSEEN, EACH_GAP, MOST_GAPS = 5, 20, 8, 44
MOST_FACTS = 12


@dataclass(frozen=True, slots=True)
class Told:
    """One attribution as it is stored, and whether the host saw the process that its alert is about."""

    origin: str
    strength: int
    basis: Sequence[Any]
    missing: Sequence[Any]
    seen: bool


@dataclass(slots=True)
class Hypothesis:
    """One of the five. `strength` is from 0 to 100; none is ever certain."""

    origin: str
    label: str
    strength: int
    supports: list[str] = field(default_factory=list)
    against: list[str] = field(default_factory=list)


def weigh(found: Sequence[Told]) -> list[Hypothesis]:
    """All five, strongest first; none where nothing was looked at."""
    if not found:
        return []
    made = [_weighed(origin, found) for origin in LABELS if origin != Origin.MONITORING]
    made.append(_monitoring(found))
    return sorted(made, key=lambda one: -one.strength)


def _weighed(origin: Origin, found: Sequence[Told]) -> Hypothesis:
    mine, others = [], []
    strength = 0
    for told in found:
        facts = [fact for fact in told.basis if isinstance(fact, dict)]
        own = [fact for fact in facts if speaks_for(fact, told) == origin]
        mine += own
        others += [fact for fact in facts if speaks_for(fact, told) != origin]
        said = joined(_strength(fact) for fact in own)
        strength = max(strength, told.strength if told.origin == origin else _rivalled(said, told))
    against = _says(others)
    if not mine and origin in NOT_THERE and any(told.seen for told in found):
        against.insert(0, NOT_THERE[origin])
    if origin == Origin.MODEL and not mine:
        against += [str(said) for told in found for said in told.missing][:2]
    return Hypothesis(origin.value, LABELS[origin], strength, _says(mine), _unique(against))


def _rivalled(said: int, told: Told) -> int:
    """A hypothesis that lost is shown as one that names nobody: its signs are true of the winner as well."""
    return said if told.origin == Origin.UNKNOWN else min(said, ENOUGH - 1, max(told.strength - 1, 0))


def _monitoring(found: Sequence[Told]) -> Hypothesis:
    """The alert is wrong: weaker for everything that was seen twice, stronger for what could not be seen."""
    gaps = _unique(str(said) for told in found for said in told.missing)
    seen = any(told.seen for told in found)
    strength = (SEEN if seen else UNSEEN) + min(EACH_GAP * len(gaps), MOST_GAPS)
    against = ["The host's own sensor saw the process that the alert is about."] if seen else []
    if any(_matcher(fact) == "flow" for told in found for fact in told.basis):
        against.append("Two sensors saw it: the one on the wire and the one on the host.")
    best = max(told.strength for told in found)
    return Hypothesis(
        Origin.MONITORING.value, LABELS[Origin.MONITORING], min(strength, 100 - best), gaps, against
    )


def speaks_for(fact: dict[str, Any], told: Told) -> str:
    """The origin that a stored fact speaks for; rows from before it was stored say it by their side."""
    if (origin := fact.get("origin")) in Origin.values:
        return str(origin)
    if not fact.get("against"):
        return Origin.MODEL
    return told.origin if told.origin in NOT_THERE else Origin.OPERATOR


def _says(facts: Iterable[dict[str, Any]]) -> list[str]:
    strongest = sorted(facts, key=_strength, reverse=True)
    return _unique(str(fact.get("says", "")) for fact in strongest)


def _unique(sentences: Iterable[str]) -> list[str]:
    return [said for said in dict.fromkeys(sentences) if said][:MOST_FACTS]


def _strength(fact: dict[str, Any]) -> int:
    value = fact.get("strength")
    return max(0, min(value, 100)) if isinstance(value, int) else 0


def _matcher(fact: Any) -> str:
    return str(fact.get("matcher", "")) if isinstance(fact, dict) else ""
