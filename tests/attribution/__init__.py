"""Tests of apps/attribution."""
