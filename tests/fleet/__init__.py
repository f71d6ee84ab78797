"""Tests of apps/fleet."""
