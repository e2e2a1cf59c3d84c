"""The README's promises and the form of decisions, changelog and dependencies."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.docs.pages import PAGES, ROOT, blocks

_ADRS = sorted((ROOT / "docs/adr").glob("*.md"))
_INDEX = (ROOT / "docs/index.md").read_text()
_PARTS = ["Context", "Decision", "What we give up", "How we would know that we are wrong"]


def _readme_commands() -> list[str]:
    texts = [block.text.strip() for block in blocks("sh") if block.page == ROOT / "README.md"]
    return [text for text in texts if "pip install" in text]


def test_the_readme_has_one_command_to_try_it_and_one_to_test_it():
    tried, tested = _readme_commands()
    assert tried.endswith("&& .venv/bin/monitor demo")
    assert tested.endswith("&& .venv/bin/python -m pytest")
    assert all("\n" not in command and command.startswith("python3 -m venv ") for command in (tried, tested))


def test_ci_ends_with_the_readme_s_test_command():
    """The closing line of CI is then that of the tests which a stranger runs."""
    assert (ROOT / ".ci/run").read_text().rstrip().splitlines()[-1] == _readme_commands()[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_sends_people_to_a_package_index(page):
    """It is on none: who follows such a line would get another project."""
    text = page.read_text().lower()
    assert "pypi" not in text
    assert not re.search(r"pip install (?:dify-)?monitor\b", text)


# -- decisions


def test_decisions_are_numbered_one_by_one():
    assert [path.name[:4] for path in _ADRS] == [f"{number:04}" for number in range(1, len(_ADRS) + 1)]


@pytest.mark.parametrize("path", _ADRS, ids=lambda path: path.stem)
def test_a_decision_has_its_parts_and_is_short(path):
    text = path.read_text()
    title = re.match(r"# (\d{4} .+)\n", text)
    assert title
    assert title[1].startswith(path.name[:4])
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == _PARTS
    assert len(text.splitlines()) < 60
    assert f"[{title[1]}](adr/{path.name})" in _INDEX


def test_decisions_that_the_code_names_exist():
    numbers = {path.name[:4] for path in _ADRS}
    sources = [path.read_text() for path in sorted((ROOT / "monitor").rglob("*.py"))]
    assert {number for text in sources for number in re.findall(r"\bADR (\d{4})\b", text)} <= numbers


def test_pages_that_the_code_names_exist():
    sources = [path.read_text() for path in sorted((ROOT / "monitor").rglob("*.py"))]
    named = {page for text in sources for page in re.findall(r"(?<![\w/])docs/[\w/.-]+\.(?:md|json|yaml)\b", text)}
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


# -- dependencies


def test_every_dependency_is_explained_and_no_other():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [re.match(r"[\w-]+", each)[0] for each in project["dependencies"]]
    told = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs/explanation/dependencies.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(needed)
