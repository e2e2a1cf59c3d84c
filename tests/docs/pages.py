"""The prose of the repository, taken apart: pages, their blocks of code, their inline code, links and headings.

For the tests of this folder alone. It knows just enough Markdown for how these pages are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

__all__ = ["PAGES", "ROOT", "Block", "anchors", "block_ids", "blocks", "inline", "links", "prose"]

ROOT = Path(__file__).parents[2]

_FRONT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "dashboards/README.md")
PAGES = [*(ROOT / name for name in _FRONT), *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of code."""

    page: Path
    line: int
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages, of all pages."""
    return [block for page in PAGES for block in _blocks(page) if block.language in languages]


def _blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2], dedent(found[3]))
        for found in _BLOCK.finditer(text)
    ]


def block_ids(block: Block) -> str:
    """How a block is called in a test's name."""
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def inline(page: Path) -> list[str]:
    """What stands in backticks within the prose, each on one line."""
    return [" ".join(found.split()) for found in _INLINE.findall(prose(page))]


def links(page: Path) -> list[str]:
    """Where the page's links lead."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The names of the page's headings in links."""
    titles = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
