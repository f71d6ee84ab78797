"""People and the tokens of their scripts."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.accounts.roles import Right, Role, may


class Theme(models.TextChoices):
    SYSTEM = "", "As the system"
    DARK = "dark", "Dark"
    LIGHT = "light", "Light"


class User(AbstractUser):
    """A person. What they may do follows from the role alone: Django's own permissions are not used."""

    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM, blank=True)
    single_keys = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="accounts_user_role_known"),
        ]

    def may(self, right: Right) -> bool:
        """Whether this person is active and the role carries `right`."""
        return self.is_active and may(self.role, right)

    @property
    def shown(self) -> str:
        """The name on the screen."""
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        """Two letters for the avatar."""
        words = self.shown.replace(".", " ").split()
        return ("".join(word[0] for word in words[:2]) if len(words) > 1 else self.shown[:2]).upper()


class ApiToken(models.Model):
    """A script's way in, with its owner's role. Only the hash is kept; the text is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
