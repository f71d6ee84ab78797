"""Every HTTP path, by door."""

from django.urls import include, path

urlpatterns = [
    path("agent/v1/", include("apps.gateway.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include("apps.console.api.urls")),
    path("", include("apps.console.urls")),
]

handler403 = "apps.console.views.errors.not_allowed"
handler404 = "apps.console.views.errors.not_found"
handler500 = "apps.console.views.errors.failed"
