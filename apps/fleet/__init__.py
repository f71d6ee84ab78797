"""Hosts, host agents, training runs, episodes."""
