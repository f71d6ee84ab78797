"""Paths of the machines' door."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
