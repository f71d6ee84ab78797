"""Reads of people and tokens."""

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import ApiToken, User


def people() -> QuerySet[User]:
    """Everybody who has or had a way in, those with one first."""
    return User.objects.order_by("-is_active", "username")


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """The tokens of a person that still open something."""
    in_time = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return user.api_tokens.filter(in_time, revoked_at=None).order_by("-id")
