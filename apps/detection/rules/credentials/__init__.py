"""Secrets looked for and taken."""

from apps.detection.rules.credentials import files, services

RULES = (*files.RULES, *services.RULES)
