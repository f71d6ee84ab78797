"""The way in of a script: whose token a text is, and that it was used."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.core.keys import token_digest

# Often enough to find a forgotten token, seldom enough to cost no write a request.
NOTED_EVERY = timedelta(minutes=1)


def use_token(text: str) -> ApiToken | None:
    """The live token that `text` is, with its person, noted as used; None when it opens nothing.

    A token is live until it is revoked or expires, and as long as its person may sign in.
    """
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None, user__is_active=True)
        .filter(digest=token_digest(text))
        .first()
    )
    if token and (token.last_used_at is None or token.last_used_at < now - NOTED_EVERY):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token
