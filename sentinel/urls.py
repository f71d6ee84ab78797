"""Every HTTP path, by door."""

from django.urls import include, path

urlpatterns = [
    path("agent/v1/", include("apps.gateway.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("", include("apps.console.urls")),
]
