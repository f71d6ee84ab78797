"""Tests of apps/telemetry."""
