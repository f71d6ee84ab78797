"""Sign-in rules: people are made by an admin, nobody signs up; and every sign-in leaves an audit entry."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from apps.accounts import services
from apps.accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Closes self-registration; records who came, who left and who was refused."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        """Signed in and recorded, or neither: the session row is in the same transaction."""
        methods = [record["method"] for record in get_authentication_records(request, user)]
        with transaction.atomic():
            super().login(request, user)
            request.session.save()
            services.session_started(user, methods=methods, address=self.get_client_ip(request))

    def logout(self, request: HttpRequest) -> None:
        user = request.user
        with transaction.atomic():
            super().logout(request)
            if isinstance(user, User):
                services.session_ended(user)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        services.session_failed(
            str(credentials.get("username", "")), reason="password", address=self.get_client_ip(request)
        )

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """A throttled attempt is recorded too; it is refused before the password is looked at."""
        try:
            super().pre_authenticate(request, **credentials)
        except Exception:
            services.session_failed(
                str(credentials.get("username", "")),
                reason="too many attempts",
                address=self.get_client_ip(request),
            )
            raise

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponseBase:
        address = self.get_client_ip(request)
        services.session_failed(user.username, reason="sent away", address=address)
        answer: HttpResponseBase = super().respond_user_inactive(request, user)
        return answer

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Said where the person came from: the form alone would look as if nothing had happened."""
        messages.info(request, "Password changed.")
        return reverse("settings")

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """No "successfully signed in": the page that follows says it."""
