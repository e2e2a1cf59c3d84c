"""SQLite's plans: what grows with the journal is searched by an index, never walked through."""

from __future__ import annotations

import re

import pytest

from monitor.journal import consumers, erasure, find, intake, memories, parked, reading

QUERIES = {
    f"{module.__name__.rpartition('.')[2]}{name}": text
    for module in (consumers, erasure, find, intake, memories, parked, reading)
    for name, text in vars(module).items()
    if isinstance(text, str) and re.match(r"\s*(SELECT|DELETE)", text)
}


def test_the_queries_are_found_where_they_are_looked_for():
    assert {"find_OF_TURN", "intake_LEAVES", "reading_PLAN", "erasure_ERASE", "consumers_DELETE"} <= QUERIES.keys()


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_walks_through_a_table_that_grows(disk, name):
    named = dict.fromkeys(re.findall(r"(?<!'):(\w+)", QUERIES[name]), "[]")
    asked = named or ["[]"] * QUERIES[name].count("?")
    with disk._readers.connection() as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", asked)]
    if name == "parked_REJECTIONS":  # a person's question, over what was given up
        return
    assert not [step for step in plan if re.match(r"SCAN (events|content|names|projections|memories)\b", step)], plan
