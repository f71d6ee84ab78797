"""Rows point back, code imports back: imports and foreign keys only go towards the beginning of the flow."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Field

from tests.architecture.tree import ROOT, code, name, parsed


def ranks() -> dict[str, int]:
    """Rooms by layer, the floor first, as the import contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return {
        room.strip().removeprefix("apps."): rank
        for rank, layer in enumerate(reversed(layers))
        for room in layer.split("|")
    }


def test_imports_keep_to_their_contracts() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_room_has_its_place_in_the_contract() -> None:
    rooms = {path.parent.name for path in (ROOT / "apps").glob("*/apps.py")}
    assert rooms <= set(ranks())


def test_foreign_keys_point_to_the_same_room_or_back() -> None:
    """A foreign key named by a string is an import that the linter cannot see."""
    place = ranks()
    for model in apps.get_models():
        room = model._meta.app_label
        if room not in place:
            continue
        for field in model._meta.get_fields():
            if not isinstance(field, Field) or not field.is_relation or field.related_model in (None, "self"):
                continue
            target = field.related_model._meta.app_label  # type: ignore[union-attr]
            if (room, target) == ("accounts", "auth"):
                continue  # Django's own person brings these
            assert target in place, f"{model.__name__}.{field.name} points out of the rooms, to {target}"
            nearer = place[target] < place[room] or target == room
            assert nearer, f"{model.__name__}.{field.name} points forward, to {target}"


def test_the_audit_trail_points_nowhere() -> None:
    for model in apps.get_app_config("audit").get_models():
        assert not [field.name for field in model._meta.get_fields() if field.is_relation], model.__name__


@pytest.mark.parametrize("room", sorted(path.parent.name for path in (ROOT / "apps").glob("*/apps.py")))
def test_within_a_room_imports_go_from_the_outside_in(room: str) -> None:
    """tasks and doors use services, services use selectors, selectors use models, models use choices."""
    order = ("choices", "models", "selectors", "services", "tasks", "consumers", "management")
    for path in code("apps"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[1] != room or parts[2] not in order:
            continue
        for node in ast.walk(parsed(path)):
            found = []
            if isinstance(node, ast.ImportFrom) and node.module:
                found = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for module in found:
                steps = module.split(".")
                if steps[:2] == ["apps", room] and len(steps) > 2 and steps[2] in order:
                    assert order.index(steps[2]) <= order.index(parts[2]), f"{name(path)} imports {module}"


def test_nothing_listens_to_model_signals() -> None:
    """What happens on a change stands in the service that makes it."""
    banned = ("django.db.models.signals", "django.dispatch")
    for path in code():
        for node in ast.walk(parsed(path)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            bad = [module for module in modules if module.startswith(banned)]
            assert not bad, f"{name(path)}: {bad}"


def test_rooms_know_no_requests_and_no_templates() -> None:
    """HTTP is the doors' business (and the sign-in adapter's, which is called by one)."""
    doors = {"gateway", "console"}
    allowed = {"apps/core/middleware.py", "apps/accounts/adapter.py"}
    for path in code("apps"):
        if path.relative_to(ROOT).parts[1] in doors or name(path) in allowed:
            continue
        for node in ast.walk(parsed(path)):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            bad = (module or "").startswith(
                ("django.http", "django.shortcuts", "django.template", "django.views")
            )
            assert not bad, f"{name(path)} imports {module}"
