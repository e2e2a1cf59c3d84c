"""The glossary has one line for each word, in order, and has the words that code and settings are made of."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from monitor.model import AlertState
from monitor.runtime.registry import KINDS
from tests.docs.pages import ROOT

ROWS = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)[1:]
ROWS = [(word, meaning) for word, meaning in ROWS if set(word) != {"-"}]
WORDS = dict(ROWS)

_CODE = re.findall(
    r"\w+",
    """
    journal event key revision rank leaf commitment content cursor consumer batch page position projection lag
    source sink notifier rule notification evidence finding fold group fingerprint turn step span trace
    poller shipper projector evaluator courier supervisor worker mark sweep provisional estimated
    pseudonym rejected replay series measure gap history late
    """,
)


def test_words_are_in_order_and_stand_once():
    assert [word for word, _ in ROWS] == sorted(WORDS)
    assert len(ROWS) == len(WORDS)


@pytest.mark.parametrize("word", _CODE)
def test_the_words_of_the_code_have_a_meaning(word):
    assert WORDS[word]


@pytest.mark.parametrize("state", sorted(get_args(AlertState)))
def test_the_states_of_an_alert_are_told(state):
    assert state in WORDS or state in WORDS["alert"]


@pytest.mark.parametrize("section", sorted(KINDS))
def test_every_adapter_is_named(section):
    assert all(name in WORDS[section.removesuffix("s")] for name in KINDS[section])
