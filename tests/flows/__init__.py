"""From end to end, with the real programs."""
