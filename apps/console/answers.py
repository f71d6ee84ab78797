"""Short answers to a browser's acts."""

import json

from django.http import HttpRequest, HttpResponse

from apps.incidents.services import Lost


def toast(
    text: str, *, status: int = 204, undo: dict[str, object] | None = None, **events: object
) -> HttpResponse:
    """Nothing to swap; the page says `text`, and offers to take the act back where `undo` says how."""
    said = {"text": text} | ({"undo": undo} if undo else {})
    return HttpResponse(status=status, headers={"HX-Trigger": json.dumps({"toast": said, **events})})


def lost(request: HttpRequest, error: Lost) -> HttpResponse:
    """Somebody else was first: 409, and who it was."""
    return toast(error.says, status=409)
