"""A thread goes to the next request only when the last one has really left it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from sentinel.threads import Handler

entered, leave = threading.Event(), threading.Event()


def slow(request: HttpRequest) -> HttpResponse:
    entered.set()
    leave.wait(60)
    return HttpResponse("late")


def quick(request: HttpRequest) -> HttpResponse:
    return HttpResponse("at once")


urlpatterns = [path("slow/", slow), path("quick/", quick)]


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    entered.clear()
    leave.clear()
    yield
    leave.set()


async def ask(handler: Handler, url: str, *, hang_up: asyncio.Event | None = None) -> list[dict[str, Any]]:
    """One request; the person closes the page when `hang_up` is set."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await (hang_up or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": url, "raw_path": url.encode(), "query_string": b"",
        "headers": [(b"host", b"localhost")], "scheme": "http", "http_version": "1.1",
        "client": ("127.0.0.1", 1), "server": ("localhost", 80),
    }  # fmt: skip
    await handler(scope, receive, send)
    return sent


async def test_a_request_does_not_wait_for_one_whose_person_has_hung_up() -> None:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=["apps.core.middleware.OneThread"]):
        handler, hang_up = Handler(), asyncio.Event()
        first = asyncio.create_task(ask(handler, "/slow/", hang_up=hang_up))
        await asyncio.to_thread(entered.wait, 60)
        hang_up.set()
        answer = asyncio.create_task(ask(handler, "/quick/"))
        await asyncio.wait([answer], timeout=20)
        assert answer.done(), "it waits behind a view that nobody waits for"
        assert not leave.is_set()
        assert answer.result()[0]["status"] == 200
        leave.set()
        await asyncio.wait([first], timeout=60)


async def test_a_thread_serves_one_request_after_another() -> None:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=["apps.core.middleware.OneThread"]):
        handler = Handler()
        for _ in range(5):
            assert (await ask(handler, "/quick/"))[0]["status"] == 200
        assert len(handler._idle) == 1
