"""The second step of signing in: a wrong code leaves an audit entry, as a wrong password does."""

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from django.core.exceptions import ValidationError

from apps.accounts import services
from apps.accounts.adapter import AccountAdapter


class SecondFactorForm(AuthenticateForm):
    """A code of an authenticator app, or one of the recovery codes."""

    def clean_code(self) -> str:
        try:
            return str(super().clean_code())
        except ValidationError:
            address = AccountAdapter().get_client_ip(context.request)
            services.session_failed(self.user.username, reason="second factor", address=address)
            raise
