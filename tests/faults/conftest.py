"""The same parts as in the flows."""

from tests.flows.conftest import _short_watch, server, training_host

__all__ = ["_short_watch", "server", "training_host"]
