"""The id of the request being answered, so that log lines and audit entries can be put side by side."""

import uuid
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request in this context, or an empty text outside of one."""
    return _current.get()


def begin() -> str:
    """A new id, current from here on. Never taken from the client: it goes into evidence."""
    value = uuid.uuid4().hex
    _current.set(value)
    return value
