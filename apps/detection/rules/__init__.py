"""All rules. A new one is one entry in its family's folder; a new family is one folder and one line here."""

from apps.detection.rules import (
    accounting,
    credentials,
    escape,
    exfiltration,
    mining,
    persistence,
    probing,
    shells,
    tampering,
    tunnels,
)
from apps.detection.rules.base import Rule

RULES: tuple[Rule, ...] = (
    *tunnels.RULES,
    *mining.RULES,
    *shells.RULES,
    *probing.RULES,
    *accounting.RULES,
    *escape.RULES,
    *credentials.RULES,
    *tampering.RULES,
    *persistence.RULES,
    *exfiltration.RULES,
)

__all__ = ["RULES", "Rule"]
