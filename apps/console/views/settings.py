"""A person's own settings: look, keys, second factor, tokens of their scripts."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts import selectors, services
from apps.accounts.roles import Right
from apps.console.access import Signed, is_fragment, page
from apps.console.context import feed_cursor

DAYS = (1, 30, 365)


@page(Right.VIEW)
def settings_page(request: Signed) -> HttpResponse:
    """The page."""
    kinds = list(Authenticator.objects.filter(user=request.user).values_list("type", flat=True))
    mfa = {
        "totp": Authenticator.Type.TOTP in kinds,
        "keys": kinds.count(Authenticator.Type.WEBAUTHN),
        "codes": Authenticator.Type.RECOVERY_CODES in kinds,
    }
    context = _tokens(request) | {"section": "settings", "cursor": feed_cursor(), "mfa": mfa}
    return render(request, "console/settings/page.html", context)


@page(Right.VIEW, methods=("POST",))
def settings_theme(request: Signed) -> HttpResponse:
    """Every page comes in this theme from its first byte."""
    try:
        services.set_theme(request.user, theme=request.POST.get("theme", ""))
    except ValueError:
        return HttpResponse("No such theme.", status=422)
    return HttpResponse(status=204)


@page(Right.VIEW, methods=("POST",))
def settings_keys(request: Signed) -> HttpResponse:
    """Single keys work, or rest."""
    services.set_single_keys(request.user, on=request.POST.get("single_keys") == "on")
    return HttpResponse(status=204) if is_fragment(request) else redirect("settings")


@page(Right.VIEW, methods=("POST",))
def token_make(request: Signed) -> HttpResponse:
    """A new token; its text is in this answer and nowhere else."""
    name, days = request.POST.get("name", ""), request.POST.get("days", "")
    if not days.isdecimal() or int(days) not in DAYS:
        return _panel(request, error="A token ends after 1, 30 or 365 days.")
    try:
        token, text = services.make_token(request.user, name=name, days=int(days))
    except ValidationError:
        return _panel(request, error="A token needs a name of at most 64 characters.")
    return _panel(request, made={"name": token.name, "text": text})


@page(Right.VIEW, methods=("POST",))
def token_revoke(request: Signed, pk: int) -> HttpResponse:
    """The token opens nothing any more. Only one's own: another's does not exist here."""
    token = request.user.api_tokens.filter(pk=pk).first() if pk < 2**63 else None
    if token is None:
        raise Http404
    services.revoke_token(token, by=request.user)
    return _panel(request)


def _panel(request: Signed, **extra: Any) -> HttpResponse:
    status = 422 if "error" in extra else 200
    return render(request, "console/settings/_tokens.html", _tokens(request) | extra, status=status)


def _tokens(request: Signed) -> dict[str, Any]:
    return {"tokens": list(selectors.tokens_of(request.user))}
