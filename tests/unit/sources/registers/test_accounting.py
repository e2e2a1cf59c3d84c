"""Every table of the recorded schemas is accounted for, and what is said of it is true of our statements."""

from __future__ import annotations

import re

import pytest

from monitor.model import Body, Note
from monitor.sources.dify_database.accounting import ACCOUNTED
from monitor.sources.dify_database.statements import statements
from tests.docs.pages import ROOT
from tests.support.recordings import schema

_TABLE = re.compile(r"CREATE TABLE (?:public\.)?(\w+)")
_READ = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]+)\b")


@pytest.mark.parametrize("version", ["0.15", "1.9", "1.12"])
def test_every_table_is_accounted_for(version: str) -> None:
    tables = set(_TABLE.findall(schema(version)))
    assert len(tables) > 70
    assert tables - ACCOUNTED.keys() == set()


def test_a_line_says_which_event_or_why_not() -> None:
    for table, line in ACCOUNTED.items():
        assert re.match(r"(event \w+|not read: because \w+)", line), table
    tags = {str(each.__struct_config__.tag) for each in Body.__args__ + Note.__args__}
    named = {word for line in ACCOUNTED.values() if line.startswith("event ") for word in re.findall(r"\w+_\w+", line)}
    assert {word for word in named if word.endswith(("ed", "en", "made", "given"))} <= tags | {"message_metadata"}


def test_our_statements_read_what_is_said_to_be_read() -> None:
    read = {table for each in statements().values() for table in _READ.findall(each.text)} & ACCOUNTED.keys()
    said = {table for table, line in ACCOUNTED.items() if line.startswith("event ")}
    assert read - {"alembic_version"} == said


def _as_written(table: str) -> str:
    """Names that begin like our metrics are not set in code, so that they are not taken for one."""
    return table.replace("dify_", "dify\\_") if table.startswith("dify_") else f"`{table}`"


def test_the_page_shows_them_all() -> None:
    page = (ROOT / "docs" / "explanation" / "notes.md").read_text()
    rows = [f"| {_as_written(table)} | {line} |" for table, line in sorted(ACCOUNTED.items())]
    assert [row for row in rows if row not in page] == []
