"""Data on its way out."""

from apps.detection.rules.exfiltration import uploads

RULES = uploads.RULES
