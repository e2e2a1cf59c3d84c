"""The generated pages are those of the code, and nothing that can be configured lacks a chapter or an example."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from monitor.cli import COMMANDS
from monitor.config import load
from monitor.config.schema import adapter_rows, settings_rows
from monitor.config.yaml_file import read_yaml
from monitor.runtime.registry import KINDS, RULES, configs, rule_kinds
from monitor.runtime.wiring import plan_house

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.yaml"))
ADAPTERS = [(section, name) for section, kinds in KINDS.items() for name in kinds]
REFERENCE = re.compile(r"\$\{([A-Z_]+)")
DATABASE = "postgresql://dify_reader:secret@127.0.0.1:5432/dify"


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def planned(example, tmp_path):
    """The example, with something in every variable it refers to."""
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef")
    text = re.sub(r"\$\{file:[^}]*\}", f"${{file:{secret}}}", example.read_text())
    file = tmp_path / example.name
    file.write_text(text)
    environ = dict.fromkeys(REFERENCE.findall(text), "http://127.0.0.1:1") | {
        "DIFY_DB_URL": DATABASE,
        "SENTRY_DSN": "https://key@127.0.0.1:1/1",
    }
    loaded = load(file, environ)
    return plan_house(loaded.settings, loaded.places)


def test_the_pages_are_those_of_the_code(generate):
    assert generate.outdated(DOCS / "reference") == [], "run python docs/generate.py"


def test_a_page_that_differs_or_is_missing_is_found(generate, tmp_path):
    for name, text in generate.pages().items():
        (tmp_path / name).write_text(text, "utf-8")
    assert generate.outdated(tmp_path) == []
    (tmp_path / "cli.md").write_text("old")
    (tmp_path / "metrics.md").unlink()
    assert sorted(generate.outdated(tmp_path)) == ["cli.md", "metrics.md"]


def test_every_setting_is_documented(generate):
    page = generate.pages()["configuration.md"]
    for rows in settings_rows().values():
        for row in rows:
            assert f"| `{row.path}` | `{row.variable}` |" in page


@pytest.mark.parametrize(("section", "name"), ADAPTERS)
def test_every_adapter_has_a_chapter_and_says_what_its_settings_mean(generate, section, name):
    page = generate.pages()["configuration.md"]
    chapter = page.partition(f"## `{section}`")[2].partition(f"### `type: {name}`")[2].partition("\n#")[0]
    rows = adapter_rows(dict(configs(KINDS[section]))[name])
    assert chapter.strip()
    for row in rows:
        if row.path not in {"type", "name"}:
            assert f"| `{row.path}` |" in chapter
            assert row.meaning, f"{section} {name}: {row.path} has no docstring"


@pytest.mark.parametrize("kind", sorted(RULES))
def test_every_kind_of_rule_has_a_chapter(generate, kind):
    page = generate.pages()["configuration.md"]
    assert f"### `kind: {kind}`" in page
    assert all(row.meaning for row in adapter_rows(rule_kinds()[kind].Config))


def test_every_command_has_a_chapter(generate):
    page = generate.pages()["cli.md"]
    assert all(f"## `monitor {name}`" in page for name in COMMANDS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_right(example, tmp_path):
    assert planned(example, tmp_path).adapters["sources"]


@pytest.mark.parametrize(("section", "name"), ADAPTERS)
def test_every_adapter_stands_in_an_example(section, name):
    assert any({"type": name}.items() <= entry.items() for entry in read_yaml(DOCS / "examples/full.yaml")[0][section])


def test_the_full_example_names_every_setting():
    _, lines = read_yaml(DOCS / "examples/full.yaml")
    written = {".".join(path) for path in lines if all(isinstance(part, str) for part in path)}
    assert {row.path for rows in settings_rows().values() for row in rows} <= written
