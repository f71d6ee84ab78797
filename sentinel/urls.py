"""Every HTTP path, by door."""

from django.urls import include, path, re_path

from apps.console.views.errors import closed
from apps.gateway.alerts import alerts
from apps.gateway.traces import traces

# Nobody signs up, and no mail is sent: an admin makes people and gives a new password.
CLOSED = r"^accounts/(?:signup|email|confirm-email|password/set|password/reset|login/code)/"

urlpatterns = [
    path("agent/v1/", include("apps.gateway.urls")),
    path("v1/traces", traces, name="traces"),
    path("v1/alerts/<slug:form>", alerts, name="alerts"),
    re_path(CLOSED, closed),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include("apps.console.api.urls")),
    path("", include("apps.console.urls")),
]

handler403 = "apps.console.views.errors.not_allowed"
handler404 = "apps.console.views.errors.not_found"
handler500 = "apps.console.views.errors.failed"
