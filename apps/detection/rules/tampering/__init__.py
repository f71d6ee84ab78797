"""Watchers blinded and traces wiped."""

from apps.detection.rules.tampering import in_runs, monitors, traces

RULES = (*monitors.RULES, *traces.RULES, *in_runs.RULES)
