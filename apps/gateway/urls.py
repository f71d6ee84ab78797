"""Paths of the machines' door that Django answers; batches, orders and receipts never get here (asgi.py)."""

from django.urls import URLPattern, path

from apps.gateway.enrol import enrol_host
from apps.gateway.handout import hand_out, install, trace_helper

urlpatterns: list[URLPattern] = [
    path("enrol", enrol_host, name="agent_enrol"),
    path("install", install, name="agent_install"),
    path("sentinel_trace.py", trace_helper, name="agent_trace_helper"),
    path("package", hand_out, name="agent_package"),
]
