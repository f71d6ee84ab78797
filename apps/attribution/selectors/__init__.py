"""Reads of the attribution: what a lot of alerts may rest on, and which earlier ones to look at again."""
