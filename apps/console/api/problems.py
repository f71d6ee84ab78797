"""One shape for everything that goes wrong: problem details (RFC 9457)."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from apps.core import requestid

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Not understood",
    401: "No valid token",
    403: "Not with this role",
    404: "Not found",
    405: "Not by this method",
    409: "Somebody was first",
    422: "Not acceptable as it is",
    500: "Our fault",
}


class Wrong(Schema):
    """One part of the request that cannot be accepted."""

    at: str
    says: str


class ProblemShape(Schema):
    """What went wrong. `code` is for scripts, `detail` for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    wrong: list[Wrong] = []
    by: str | None = None
    now_is: str | None = None


ERRORS: dict[Any, Any] = {frozenset({401, 403, 404, 422}): ProblemShape}
CONFLICT: dict[Any, Any] = {**ERRORS, 409: ProblemShape}


class Problem(Exception):
    """The request ends here. `more` goes into the answer beside the common fields."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more = status, code, detail, more


def answer(problem: Problem) -> HttpResponse:
    """`problem` as it is sent."""
    body = {
        "type": f"urn:sentinel:problem:{problem.code}",
        "title": TITLES.get(problem.status, "Refused"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": requestid.current(),
        **problem.more,
    }
    response = JsonResponse(body, status=problem.status, content_type=MEDIA_TYPE)
    if problem.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Sentinel"'
    return response


def install(api: NinjaAPI) -> None:
    """Every error of `api` is answered in the one shape."""

    def handle(kind: type[Exception], shaped: Callable[[Any], Problem]) -> None:
        api.add_exception_handler(kind, lambda request, error: answer(shaped(error)))

    handle(Problem, lambda error: error)
    handle(Http404, lambda error: Problem(404, "not_found", "There is nothing by this name."))
    handle(
        AuthenticationError, lambda error: Problem(401, "no_token", "Send a token: Authorization: Bearer …")
    )
    handle(HttpError, lambda error: Problem(error.status_code, "refused", str(error)))
    handle(ValidationError, _invalid)
    handle(Exception, _fault)


def everywhere(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """`view`, with the one shape also where no operation answers: a method that the path does not know."""

    @wraps(view)
    def shaped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = response["Allow"]
        refused = answer(Problem(405, "no_such_method", f"This path knows {allowed}."))
        refused["Allow"] = allowed
        return refused

    return shaped


def unknown_path(request: HttpRequest, rest: str) -> HttpResponse:
    """Any path that the API does not have."""
    return answer(Problem(404, "not_found", "There is no such path; see openapi.json."))


unknown_path.csrf_exempt = True  # type: ignore[attr-defined]  # as all of the API: no cookie opens it


def _invalid(error: ValidationError) -> Problem:
    wrong = [
        {"at": ".".join(str(part) for part in item["loc"])[:200], "says": str(item["msg"])[:300]}
        for item in error.errors[:20]
    ]
    return Problem(422, "invalid", "Some parts of the request cannot be accepted.", wrong=wrong)


def _fault(error: Exception) -> Problem:
    log.error("request failed", exc_info=error)
    return Problem(500, "fault", "Something failed here. Nothing of this request was kept.")
