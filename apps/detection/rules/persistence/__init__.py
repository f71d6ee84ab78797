"""Ways to come back."""

from apps.detection.rules.persistence import places, programs

RULES = (*places.RULES, *programs.RULES)
