"""Reads about rules."""

from apps.detection.rules import RULES
from apps.detection.rules.base import Rule

BY_SLUG: dict[str, Rule] = {rule.slug: rule for rule in RULES}
