"""Shells that someone else commands, and text that is run unseen."""

from apps.detection.rules.shells import code, devtcp, netcat, piped, sockets

RULES = (*devtcp.RULES, *netcat.RULES, *code.RULES, *piped.RULES, *sockets.RULES)
