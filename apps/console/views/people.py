"""People and their roles: made, changed and sent away by an admin."""

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts import selectors, services
from apps.accounts.models import User
from apps.accounts.roles import RIGHTS, Right, Role
from apps.audit.services import By
from apps.console.access import Signed, page
from apps.console.context import feed_cursor


@page(Right.PEOPLE, methods=("GET", "POST"))
def people_page(request: Signed) -> HttpResponse:
    """Everybody; and a new person."""
    if request.method == "GET":
        return _page(request)
    given = {name: request.POST.get(name, "") for name in ("username", "full_name", "role")}
    try:
        services.create_person(
            **given, password=request.POST.get("password", ""), by=By("person", request.user.username)
        )
    except (ValidationError, ValueError) as error:
        return _page(request, error=_sentences(error), given=given)
    return redirect("people")


@page(Right.PEOPLE, methods=("POST",))
def person_change(request: Signed, pk: int) -> HttpResponse:
    """Another role, or in and out."""
    person = User.objects.filter(pk=pk).first() if pk < 2**63 else None
    if person is None:
        raise Http404
    try:
        if "role" in request.POST:
            services.change_role(person, role=request.POST["role"], by=request.user)
        if "active" in request.POST:
            services.set_active(person, active=request.POST["active"] == "on", by=request.user)
    except (services.Refused, ValueError) as error:
        return _page(request, error=str(error))
    return redirect("people")


def _page(request: Signed, *, error: str = "", given: dict[str, str] | None = None) -> HttpResponse:
    context = {
        "section": "people",
        "cursor": feed_cursor(),
        "people": selectors.people(),
        "roles": [
            {
                "value": role.value,
                "word": role.label,
                "may": [right.label for right in Right if right in RIGHTS[role]],
            }
            for role in Role
        ],
        "given": given or {},
        "error": error,
    }
    return render(request, "console/people/page.html", context, status=422 if error else 200)


def _sentences(error: Exception) -> str:
    return " ".join(error.messages) if isinstance(error, ValidationError) else "That role is not known."
