"""What was done, by whom: append-only, chained, checkable without the server."""
