"""The project's own files, as the architecture tests look at them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("sentinel", "apps", "hostagent")


@cache
def kept() -> tuple[Path, ...]:
    """Every file under version control, and those that will be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(path for name in listed if (path := ROOT / name).is_file())


def code(*folders: str) -> list[Path]:
    """Python files of `folders`, without migrations."""
    return [
        path
        for path in kept()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] in (folders or CODE)
        and "migrations" not in path.parts
    ]


def name(path: Path) -> str:
    """As a person says it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
