"""Paths of the machines' door."""

from django.urls import URLPattern, path

from apps.gateway.enrol import enrol_host
from apps.gateway.handout import hand_out, install
from apps.gateway.orders import orders
from apps.gateway.receipts import receipts

urlpatterns: list[URLPattern] = [
    path("enrol", enrol_host, name="agent_enrol"),
    path("install", install, name="agent_install"),
    path("package", hand_out, name="agent_package"),
    path("orders", orders, name="agent_orders"),
    path("receipts", receipts, name="agent_receipts"),
]
