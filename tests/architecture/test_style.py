"""Small files, small functions, typed and described, in one layout."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, code, functions, length, name, parsed

FILE_CAP, FUNCTION_CAP = 400, 60


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(command[0])
    return subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_linter_has_nothing_to_say() -> None:
    done = tool("ruff", "check", "--no-cache", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout


def test_every_file_is_laid_out_by_the_formatter() -> None:
    done = tool("ruff", "format", "--no-cache", "--check", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(600)
def test_every_type_holds() -> None:
    done = tool("mypy")
    assert done.returncode == 0, done.stdout


def test_no_file_is_longer_than_the_cap() -> None:
    long = {
        name(path): lines
        for path in code("sentinel", "apps", "hostagent", "benchmarks", "tests")
        if (lines := len(path.read_text().splitlines())) > FILE_CAP
    }
    assert not long


def test_no_function_is_longer_than_the_cap() -> None:
    long = {
        f"{name(path)}:{node.name}": length(node)
        for path in code("sentinel", "apps", "hostagent", "benchmarks", "tests")
        for node in functions(path)
        if length(node) > FUNCTION_CAP
    }
    assert not long


def test_most_files_and_functions_are_small() -> None:
    """Beauty is decided in the tail, but the middle has to stay where it is."""
    files = [len(path.read_text().splitlines()) for path in code()]
    bodies = [length(node) for path in code() for node in functions(path)]
    assert statistics.median(files) <= 75
    assert statistics.quantiles(files, n=10)[8] <= 240
    assert statistics.median(bodies) <= 9
    assert statistics.quantiles(bodies, n=10)[8] <= 25


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in code("sentinel", "apps", "hostagent", "benchmarks", "tests")
        if path.read_text().strip() and not ast.get_docstring(parsed(path))
    ]
    assert not silent


def test_every_service_says_what_becomes_true() -> None:
    silent = [
        f"{name(path)}:{node.name}"
        for path in code("apps")
        if "services" in path.relative_to(ROOT).with_suffix("").parts
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent
