"""Orders to hosts and their signed receipts."""
