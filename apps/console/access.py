"""Who may see what. Every view declares its right, and the check is the function that fetches the row."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts.models import User
from apps.accounts.roles import Right
from apps.fleet.models import Host, TraceToken, TrainingRun
from apps.incidents.models import Incident
from apps.response.models import ContainmentOrder

View = Callable[..., HttpResponseBase]
AnyView = TypeVar("AnyView", bound=Callable[..., Any])
Row = TypeVar("Row", bound=Model)


class Signed(HttpRequest):
    """A request behind the access check: somebody is signed in, and is one of our people."""

    user: User


def page(*rights: Right, methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
    """The view answers only people who hold all of `rights`, and only to `methods`.

    The view carries `rights`, so that a test can walk every path by every role.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _ask_to_sign_in(request)
            permit(cast(Signed, request), *rights)
            return view(request, *args, **kwargs)

        checked.rights = rights  # type: ignore[attr-defined]
        checked.methods = methods  # type: ignore[attr-defined]
        allowed = ("GET", "HEAD") if methods == ("GET",) else methods
        return never_cache(require_http_methods(allowed)(checked))

    return wrap


def public(view: AnyView) -> AnyView:
    """The view answers anybody: said aloud, so that a forgotten check cannot look like a decision."""
    view.rights = None  # type: ignore[attr-defined]
    return view


def permit(request: Signed, *rights: Right) -> None:
    """Raises PermissionDenied unless the person holds all of `rights`."""
    for right in rights:
        if not request.user.may(right):
            raise PermissionDenied(f"Your role does not let you {right.label}.")


def incident_or_404(request: Signed, pk: int, right: Right = Right.VIEW) -> Incident:
    """The incident, for somebody who holds `right`."""
    permit(request, right)
    return _found(Incident.objects.select_related("run", "owner", "follows"), pk)


def run_or_404(request: Signed, pk: int, right: Right = Right.VIEW) -> TrainingRun:
    """The training run, for somebody who holds `right`."""
    permit(request, right)
    return _found(TrainingRun.objects.all(), pk)


def trace_token_or_404(request: Signed, pk: int, right: Right) -> TraceToken:
    """The trace token, for somebody who holds `right`."""
    permit(request, right)
    return _found(TraceToken.objects.select_related("run"), pk)


def host_or_404(request: Signed, pk: int, right: Right = Right.VIEW) -> Host:
    """The host, for somebody who holds `right`."""
    permit(request, right)
    return _found(Host.objects.all(), pk)


def order_or_404(request: Signed, pk: int, right: Right = Right.VIEW) -> ContainmentOrder:
    """The order, for somebody who holds `right`."""
    permit(request, right)
    return _found(ContainmentOrder.objects.select_related("run", "incident", "by"), pk)


def is_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for a piece of a page."""
    return bool(getattr(request, "htmx", False)) or "application/json" in request.headers.get("Accept", "")


def _found(rows: QuerySet[Row], pk: int) -> Row:
    # A number that no bigint holds is a row that does not exist, and not an error of the database.
    row = rows.filter(pk=pk).first() if pk < 2**63 else None
    if row is None:
        raise Http404
    return row


def _ask_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    if not is_fragment(request):
        return redirect_to_login(request.get_full_path())
    # The script must not swap a sign-in form into a panel: it is told, and htmx goes there.
    return HttpResponse("Signed out.", status=401, headers={"HX-Redirect": resolve_url("account_login")})
