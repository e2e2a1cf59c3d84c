"""The rules by which the judge of tool calls judges; what it counts in real rows is in tests/integration."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import truth

STOP = "Stopped by user."


@pytest.mark.parametrize(
    ("status", "error", "run_status", "outcome"),
    [
        ("succeeded", "", "succeeded", "succeeded"),
        ("succeeded", "an old error of an earlier attempt", "succeeded", "succeeded"),
        ("succeeded", "", "stopped", "succeeded"),
        ("failed", "boom", "failed", "failed"),
        ("failed", "boom", "succeeded", "failed"),  # an iteration went on
        ("exception", "boom", "partial-succeeded", "failed"),
        ("exception", "boom", "stopped", "failed"),  # handled, before somebody stopped the run
        ("failed", STOP, "stopped", "stopped"),
        ("failed", "boom", "stopped", "stopped"),
        ("failed", "Aborted: User requested stop", "failed", "stopped"),
        ("failed", "Execution cancelled", "running", "stopped"),
        ("stopped", "", "stopped", "stopped"),
        ("running", "", "running", None),
        ("running", "", "paused", None),
        ("running", "", "stopped", "stopped"),
        ("running", "", "failed", "unknown"),
        ("retry", "boom", "failed", "unknown"),
    ],
)
def test_outcome_of_a_tool_node(status, error, run_status, outcome):
    assert truth._node_outcome(status, error, run_status) == outcome


def test_the_judge_shares_no_code_with_the_judged():
    tree = ast.parse(Path(truth.__file__).read_text())
    imported = [
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert not [name for name in imported if name and name.split(".")[0] == "monitor"]
