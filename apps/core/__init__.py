"""The floor: text, canonical bytes, transitions; no tables."""
