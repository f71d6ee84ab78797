"""Accounts that must balance: every process of a run is where the run is."""

from apps.detection.rules.accounting import processes

RULES = processes.RULES
