"""The steps of docs/howto/adapters.md: whoever registers an adapter or a kind of rule and forgets one is told which."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Callable, Mapping

import pytest
import yaml

from monitor.runtime.registry import KINDS, RULES
from tests.docs.pages import ROOT

_HOWTO = (ROOT / "docs/howto/adapters.md").read_text()
_CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
_INDEPENDENT = next(each["modules"] for each in _CONTRACTS if each["name"] == "Adapters do not know each other")
_LAWS = {"sinks": "tests/contract/test_sinks*.py", "notifiers": "tests/contract/test_notifiers.py"}


def has_module(section: str, name: str, module: str) -> bool:
    """It can be imported and exposes what the registry needs, and nothing more."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        return False
    allowed = {"Config", "build"} if section in _LAWS else set(found.__all__)
    return {"Config", "build"} <= set(found.__all__) <= allowed


def has_laws(section: str, name: str, module: str) -> bool:
    """A test class that inherits the laws, in a file that imports the module."""
    if section == "sources":
        return any(_imports(path.read_text(), module) for path in sorted((ROOT / "tests/property").glob("*.py")))
    paths = sorted(ROOT.glob(_LAWS.get(section, f"tests/unit/rules/test_{name}.py")))
    return any(_imports(path.read_text(), module) and "Laws)" in path.read_text() for path in paths)


def _imports(source: str, module: str) -> bool:
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return any(each == module or each.startswith(f"{module}.") for each in named)


def is_independent(section: str, name: str, module: str) -> bool:
    """It stands in the contract that keeps sinks and notifiers apart."""
    return section not in _LAWS or module in _INDEPENDENT


def has_example(section: str, name: str, module: str) -> bool:
    """An adapter with all its settings in the full configuration; a kind of rule in a rule file or page."""
    if section == "rules":
        texts = [*(ROOT / "alerts").glob("*.yaml"), ROOT / "docs/howto/alerts.md"]
        return any(f"kind: {name}\n" in path.read_text() for path in texts)
    entries = yaml.safe_load((ROOT / "docs/examples/full.yaml").read_text())[section]
    written = {setting for entry in entries if entry["type"] == name for setting in entry}
    return bool(written)


def has_reference(section: str, name: str, module: str) -> bool:
    """A chapter of the reference."""
    word = "kind" if section == "rules" else "type"
    return f"### `{word}: {name}`" in (ROOT / "docs/reference/configuration.md").read_text()


def is_in_changelog(section: str, name: str, module: str) -> bool:
    """The operator was told."""
    return f"`{name}`" in (ROOT / "CHANGELOG.md").read_text()


STEPS: Mapping[str, Callable[[str, str, str], bool]] = {
    "The module": has_module,
    "The laws": has_laws,
    "Independence": is_independent,
    "An example": has_example,
    "The reference": has_reference,
    "The changelog": is_in_changelog,
}


def forgotten(section: str, name: str, module: str) -> list[str]:
    """The steps that were not done for a registered adapter."""
    return [step for step, done in STEPS.items() if not done(section, name, module)]


_REGISTERED = [(section, name, module) for section, table in KINDS.items() for name, module in table.items()]
_REGISTERED += [("rules", name, module) for name, module in RULES.items()]


@pytest.mark.parametrize(("section", "name", "module"), _REGISTERED, ids=[each[2] for each in _REGISTERED])
def test_nothing_was_forgotten(section, name, module):
    assert forgotten(section, name, module) == [], "see docs/howto/adapters.md"


@pytest.mark.parametrize("section", ["sinks", "notifiers"])
def test_every_step_that_was_forgotten_is_named(section):
    assert forgotten(section, "no_such_type", f"monitor.{section}.no_such_type") == list(STEPS)


@pytest.mark.parametrize("section", ["sources", "rules"])
def test_sources_and_rules_have_all_steps_but_independence(section):
    assert forgotten(section, "no_such_type", f"monitor.{section}.no_such_type") == [
        step for step in STEPS if step != "Independence"
    ]


def test_the_page_has_every_step():
    told = set(re.findall(r"^\d+\. \*\*([^*]+)\*\*", _HOWTO, re.MULTILINE))
    assert {*STEPS, "The registry"} <= told
