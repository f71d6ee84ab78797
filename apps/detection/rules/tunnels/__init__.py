"""Ways out of the network, and ways in through the back."""

from apps.detection.rules.tunnels import code, relays, ssh, ssh_sockets, tools

RULES = (*ssh.RULES, *ssh_sockets.RULES, *tools.RULES, *relays.RULES, *code.RULES)
