"""Paths of the machines' door."""

from django.urls import URLPattern, path

from apps.gateway.orders import orders
from apps.gateway.receipts import receipts

urlpatterns: list[URLPattern] = [
    path("orders", orders, name="agent_orders"),
    path("receipts", receipts, name="agent_receipts"),
]
