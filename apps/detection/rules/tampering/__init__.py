"""Watchers blinded and traces wiped."""

from apps.detection.rules.tampering import monitors, traces

RULES = (*monitors.RULES, *traces.RULES)
