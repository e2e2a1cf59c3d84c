"""Floors of what the masking finds of the labelled set: docs/explanation/privacy.md tells these numbers to people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.redaction.__main__ import table
from benchmarks.redaction.scoring import HALVES, KINDS, labelled, score
from monitor.model import Redaction
from monitor.normalise.redact.masks import masks_for

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "privacy.md"
FLOORS = {
    "email": (0.8, 1.0), "phone": (0.9, 0.97), "id": (0.95, 1.0), "card": (1.0, 1.0), "ip": (0.9, 0.94),
    "key": (0.8, 1.0), "name": (0.65, 0.95), "all": (0.8, 0.98),
}  # fmt: skip
"""Recall and precision that the held-out half does not fall below, hard texts included."""


def test_the_set_is_what_it_says():
    for half in HALVES:
        texts = labelled(half)
        assert {kind for each in texts for _, _, kind in each.spans} == set(KINDS)
        for each in texts:
            assert each.lang in {"zh", "en"}
            assert all(0 <= start < end <= len(each.text) for start, end, _ in each.spans)
    assert sum(len(each.spans) for half in HALVES for each in labelled(half)) >= 300
    assert not {each.text for each in labelled("tuning")} & {each.text for each in labelled("heldout")}


@pytest.mark.parametrize("kind", FLOORS)
def test_the_held_out_half_is_masked_as_well_as_promised(kind):
    found = score(masks_for(Redaction()), labelled("heldout"))[kind, "all"]
    recall, precision = FLOORS[kind]
    assert found.recall >= recall
    assert found.precision >= precision


def test_ordinary_texts_lose_almost_nothing():
    """Without the texts that are known to be hard."""
    texts = [each for half in HALVES for each in labelled(half) if each.domain != "hard"]
    found = score(masks_for(Redaction()), texts)["all", "all"]
    assert found.recall >= 0.97
    assert found.precision >= 0.99


@pytest.mark.parametrize("half", HALVES)
def test_the_page_shows_what_is_measured(half):
    """The page's tables are those that the program prints."""
    rows = [line for line in table(masks_for(Redaction()), half).splitlines() if re.match(r"\| (?!kind|-)", line)]
    page = PAGE.read_text("utf-8")
    assert [row for row in rows if row not in page] == []
