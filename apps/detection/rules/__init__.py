"""All rules. A new one is one file (or one entry) in its family's folder; a new family is one line here."""

from apps.detection.rules import accounting, mining, probing, shells, tunnels
from apps.detection.rules.base import Rule

RULES: tuple[Rule, ...] = (
    *tunnels.RULES,
    *mining.RULES,
    *shells.RULES,
    *probing.RULES,
    *accounting.RULES,
)

__all__ = ["RULES", "Rule"]
