"""Django's entry for this room."""

from django.apps import AppConfig


class ResponseConfig(AppConfig):
    name = "apps.response"
    label = "response"
