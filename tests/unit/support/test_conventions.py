"""Habits of the tests themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
FILES = sorted(path for path in TESTS.rglob("*.py") if "run" not in path.relative_to(TESTS).parts)


def sleeps(source: str) -> list[int]:
    """Lines that call `time.sleep`, under whatever name it was imported."""
    tree = ast.parse(source)
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name == "sleep"
    }
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_sleep(node.func, names)]


def _is_sleep(function: ast.expr, names: set[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in names
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "sleep"
        and isinstance(function.value, ast.Name)
        and function.value.id == "time"
    )


def test_sleeps_are_found():
    assert sleeps("import time\ntime.sleep(1)") == [2]
    assert sleeps("from time import sleep as nap\nnap(1)") == [2]
    assert sleeps("clock.sleep(1)\nsleep(2)") == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_sleeps(path):
    """A test waits for what it wants to see (an event, a condition, a process), with a limit."""
    assert sleeps(path.read_text()) == []
