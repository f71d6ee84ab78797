"""The stages of a lot's way from records to incidents; only `apps.gateway.ingest` knows their order."""
