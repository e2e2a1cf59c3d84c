"""Every link leads somewhere, and every page is led to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links

_OUTSIDE = ("https://", "http://", "mailto:")
_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def broken(page: Path) -> list[str]:
    """Links that lead to no file, or to no heading of one."""
    found = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if link.startswith(_OUTSIDE):
            continue
        if not file.exists() or (anchor and anchor not in anchors(file)):
            found.append(link)
    return found


@pytest.mark.parametrize("name", _NAMES)
def test_links_resolve(name):
    assert broken(ROOT / name) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "a.md"
    page.write_text("# A b\n[x](gone.md) [y](a.md#a-b) [z](#a-c) [w](https://example.com/)\n")
    assert broken(page) == ["gone.md", "#a-c"]


def test_every_page_is_reached_from_the_readme():
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link]
        todo += [target for target in targets if target.suffix == ".md" and target.is_file()]
    assert [page for page in PAGES if page not in reached and page.parent.name != "dashboards"] == []
