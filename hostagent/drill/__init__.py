"""Drills: an incident played with real processes, harmlessly, to prove that watch and stop work."""
