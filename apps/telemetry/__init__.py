"""Batches as received, and the facts in them."""
