"""The description is OpenAPI 3.1, says what is true, and needs no sign-in to be read."""

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.console.api.urls import api
from tests.api.script import ROOT

METHODS = {"get", "post"}
SCHEMA: dict[str, Any] = {}


@pytest.fixture
def schema() -> dict[str, Any]:
    answer = Client().get(f"{ROOT}/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def walk(value: Any) -> Any:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def test_it_is_an_openapi_3_1_description_of_this_version(schema: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", schema["openapi"])
    assert schema["info"]["title"] == "Sentinel"
    assert schema["info"]["version"] == settings.VERSION
    assert schema["servers"] == [{"url": "/"}]
    assert schema["components"]["securitySchemes"] == {"Bearer": {"type": "http", "scheme": "bearer"}}


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    references = [item["$ref"] for item in walk(schema) if isinstance(item, dict) and "$ref" in item]
    assert references
    for reference in references:
        part = schema
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_every_operation_is_whole(schema: dict[str, Any]) -> None:
    ids = []
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            assert method in METHODS, path
            ids.append(operation["operationId"])
            assert operation["security"] == [{"Bearer": []}], path
            assert operation["description"], path
            named = set(re.findall(r"{(\w+)}", path))
            assert named == {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}, path
            for status, response in operation["responses"].items():
                kinds = set(response["content"])
                assert ("application/problem+json" in kinds) is (int(status) >= 400), path
            assert {"401", "403"} <= set(operation["responses"])
    assert len(ids) == len(set(ids))


def test_no_two_shapes_share_a_name() -> None:
    """Two classes of one name would overwrite each other in the description, silently."""
    from ninja import Schema

    seen: dict[str, type] = {}
    pending = list(Schema.__subclasses__())
    while pending:
        shape = pending.pop()
        pending += shape.__subclasses__()
        if shape.__module__.startswith("apps.console.api") and shape.__name__ not in {"Wanted", "Change"}:
            assert seen.setdefault(shape.__name__, shape) is shape
    assert len(seen) > 20


def test_there_is_no_page_of_foreign_scripts() -> None:
    assert api.docs_url is None
    answer = Client().get(f"{ROOT}/docs")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(answer.content)["code"] == "not_found"
