from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.dump import CopyBlock, copy_blocks, copy_text, schema_script

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ROWS = st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT), max_size=5)


@given(ROWS)
def test_what_is_written_is_read_back(rows):
    """Backslashes, tabs, newlines, the markers of NULL and of the end, every character that PostgreSQL can hold."""
    block = CopyBlock("apps", ("id", "index"), tuple(rows))
    assert list(copy_blocks("SET x = 1;\n\n" + copy_text(block) + "\nSELECT 1;\n")) == [block]


def test_escapes_of_pg_dump():
    dump = 'COPY public.apps (id, "index", name) FROM stdin;\n1\t\\N\ta\\tb\\nc\\\\d\\b\\f\\r\\v\n2\t\t\\\\N\n\\.\n'
    (block,) = copy_blocks(dump)
    assert block.columns == ("id", "index", "name")
    assert block.rows == (("1", None, "a\tb\nc\\d\b\f\r\v"), ("2", "", "\\N"))
    assert next(block.dicts()) == {"id": "1", "index": None, "name": "a\tb\nc\\d\b\f\r\v"}


def test_lines_for_psql_are_left_out():
    assert schema_script("\\restrict abc\nCREATE TABLE a ();\n\\unrestrict abc\n") == "CREATE TABLE a ();\n"
