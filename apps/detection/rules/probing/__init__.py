"""Looking around in the network."""

from apps.detection.rules.probing import loops, scanners, sockets

RULES = (*scanners.RULES, *loops.RULES, *sockets.RULES)
