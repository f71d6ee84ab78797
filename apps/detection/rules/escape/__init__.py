"""Out of the sandbox, or up to root."""

from apps.detection.rules.escape import containers, kernel, utilities

RULES = (*containers.RULES, *kernel.RULES, *utilities.RULES)
