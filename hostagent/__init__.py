"""Sentinel's host agent: sees what runs on a training host, tells the server, and stops a run with proof."""

__version__ = "0.1.0"
