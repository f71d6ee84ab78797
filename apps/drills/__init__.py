"""Drills that a person asks a host to play: signed like an order, answered by receipts, marked everywhere."""
