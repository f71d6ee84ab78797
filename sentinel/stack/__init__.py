"""The embedded stack: one command brings PostgreSQL, the broker and all of Sentinel up, and down again."""
