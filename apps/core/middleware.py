"""Every answer carries the id under which it is found in logs and audit entries."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.core import requestid


class RequestId:
    """Sets `Sentinel-Request-Id` on the answer and makes the id current while it is made."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        value = requestid.begin()
        response = self.get_response(request)
        response["Sentinel-Request-Id"] = value
        return response


class OneThread:
    """Last in the list. It cannot be awaited, so Django runs all before it in one go on one thread.

    Without it each middleware that looks at a request or an answer is a thread hop of its own.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)
