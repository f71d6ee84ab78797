"""Reads of incidents: the queue, one incident, and what lies around it."""
