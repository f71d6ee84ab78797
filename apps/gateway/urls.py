"""Paths of the machines' door that Django answers; batches, orders and receipts never get here (asgi.py)."""

from django.urls import URLPattern, path

from apps.gateway.enrol import enrol_host
from apps.gateway.handout import hand_out, install

urlpatterns: list[URLPattern] = [
    path("enrol", enrol_host, name="agent_enrol"),
    path("install", install, name="agent_install"),
    path("package", hand_out, name="agent_package"),
]
