"""The API as one piece: its parts, its description, its paths."""

from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, path
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from apps.console.api import (
    alerts,
    audit,
    contracts,
    drills,
    hosts,
    incidents,
    me,
    orders,
    problems,
    runs,
    sources,
    trace_tokens,
    triage,
)
from apps.console.api.shapes import MEDIA_TYPE

DESCRIPTION = """What the browser does, a script can do. Every request carries a token of a person's own
(settings page): `Authorization: Bearer …`. A script may what its person's role allows, nothing more.
Errors are problem details (RFC 9457). Texts from hosts, traces and agents are hostile: never run them."""


class Api(NinjaAPI):
    """Ninja's API, described with the media types that its answers have and with names of our own."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, **given: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**given)
        for operations in schema["paths"].values():
            for operation in operations.values():
                plain = operation.pop(MEDIA_TYPE, "application/json")
                for status, response in operation["responses"].items():
                    kind = problems.MEDIA_TYPE if int(status) >= 400 else plain
                    response["content"] = {kind: response["content"]["application/json"]}
        return schema


api = Api(
    title="Sentinel",
    version=settings.VERSION,
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,  # a page of foreign scripts has no place under this policy
    servers=[{"url": "/"}],
)
problems.install(api)
api.add_router("/me", me.router)
api.add_router("/incidents", incidents.router)
api.add_router("/incidents", triage.router)
api.add_router("", alerts.router)
api.add_router("/runs", runs.router)
api.add_router("/runs", trace_tokens.router)
api.add_router("/runs", contracts.router)
api.add_router("/hosts", hosts.router)
api.add_router("/hosts", drills.router)
api.add_router("/sources", sources.router)
api.add_router("/orders", orders.router)
api.add_router("/audit", audit.router)


def _paths() -> list[URLPattern | URLResolver]:
    patterns: list[URLPattern | URLResolver] = list(api.urls[0])
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = problems.everywhere(pattern.callback)
    return [*patterns, path("<path:rest>", problems.unknown_path)]


app_name = "api"
urlpatterns = _paths()
