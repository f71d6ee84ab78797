"""Every operation of the API by every role: nobody gets more than the table says."""

from collections.abc import Iterator

import pytest
from ninja.operation import Operation

from apps.accounts.models import User
from apps.accounts.roles import RIGHTS, Right, Role
from apps.console.api.bearer import Bearer
from apps.console.api.urls import api, urlpatterns
from tests.api.script import Script, script_of


def operations() -> Iterator[tuple[str, str, Operation]]:
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                whole = "/".join(part for part in (router.prefix.rstrip("/"), path) if part)
                for method in operation.methods:
                    yield method, "/" + whole.strip("/").replace("//", "/"), operation


ALL = [(method, path, operation) for method, path, operation in operations()]
NAMES = [f"{method} {path}" for method, path, _ in ALL]


def status(script: Script, method: str, path: str) -> int:
    for name in ("incident_id", "alert_id", "run_id", "host_id", "order_id", "token_id", "source_id"):
        path = path.replace(f"{{{name}}}", "987654321")
    return (script.get(path) if method == "GET" else script.post(path)).status_code


def test_the_walk_reaches_every_path() -> None:
    described = {(m.upper(), p) for p, item in api.get_openapi_schema()["paths"].items() for m in item}
    assert {(method, f"/api/v1{path}") for method, path, _ in ALL} == described
    routed = {str(pattern.pattern).replace("<", "{").replace(">", "}") for pattern in urlpatterns}
    assert routed - {path.removeprefix("/") for _, path, _ in ALL} == {"openapi.json", "", "{path:rest}"}


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "operation"), ALL, ids=NAMES)
def test_each_role_gets_what_the_table_says(method: str, path: str, operation: Operation) -> None:
    assert [type(callback) for callback in operation.auth_callbacks] == [Bearer]
    rights: tuple[Right, ...] = operation.auth_callbacks[0].rights  # type: ignore[attr-defined]
    assert rights
    assert status(Script(""), method, path) == 401
    for role in Role:
        got = status(script_of(User.objects.create(username=f"ana-{role}", role=role)), method, path)
        allowed = any(right in RIGHTS[role] for right in rights)
        assert (got == 403) is not allowed, f"{role}: {got}"
        assert got < 500
