"""Alerts grouped into what a person handles."""
