"""What can speak for a tool call, one file each, strongest first. All pure."""

from collections.abc import Callable

from apps.attribution.case import Case, Match
from apps.attribution.matchers import (
    ancestry,
    command,
    dependency,
    flow,
    membership,
    neighbours,
    overlap,
    own_text,
    sandbox,
    scheduler,
    session,
    traceparent,
)

Matcher = Callable[[Case], list[Match]]

MATCHERS: tuple[Matcher, ...] = (
    traceparent.match,
    ancestry.match,
    own_text.match,
    command.match,
    sandbox.match,
    neighbours.match,
    membership.match,
    flow.match,
    overlap.match,
    session.match,
    scheduler.match,
    dependency.match,
)
