"""Computing power sold or turned into coins."""

from apps.detection.rules.mining import behaviour, programs

RULES = (*programs.RULES, *behaviour.RULES)
