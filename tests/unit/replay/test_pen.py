"""Lines on a terminal: as wide as it is and no wider, whatever stands in them."""

from __future__ import annotations

import io
import json
from datetime import UTC

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from monitor.replay.pen import Pen
from monitor.replay.plain import one_line
from monitor.testing import strategies

INDENT = "               │ "
names = st.one_of(strategies.texts, st.text("a长 ש,({\t", max_size=60), strategies.json_texts).map(one_line)
texts = st.one_of(strategies.texts, strategies.json_texts, st.text("ab长。(ש \n", max_size=200))
widths = st.sampled_from([40, 60, 80])
indents = st.builds("".join, st.lists(st.just("│ "), max_size=20)).map(lambda guide: INDENT + guide)


def drawn(draw, width, longest=None):
    out = io.StringIO()
    draw(Pen(Console(file=out, width=width, _environ={}), UTC, longest))
    return out.getvalue().splitlines()


def assert_fits(lines, width):
    assert [line for line in lines if cell_len(line) > width] == []
    assert all(line.count("\u2068") == line.count("\u2069") for line in lines)


@given(indents, names, texts, widths)
@example(INDENT, one_line('prompt [null,null,null,"000000000000\\u001f"]'), "", 60)
@example(INDENT + "│ " * 6, "000\\x80", "00000", 40)
def test_a_text_and_its_label_fit(indent, label, text, width):
    """A label can be as long as a name can be, which is wider than a line."""
    assert_fits(drawn(lambda pen: pen.block(indent, Text(label), text), width), width)
    assert_fits(drawn(lambda pen: pen.block(indent, Text(label), text, "red"), width, 30), width)


@pytest.mark.parametrize("width", range(40, 90))
@pytest.mark.parametrize("label", ["prompt ", "result", ""])
def test_a_text_that_fills_its_room_to_the_last_cell_fits(width, label):
    for length in range(1, width):
        for text in ("x" * length, json.dumps({"a": "x" * length}), "长" * length):
            assert_fits(drawn(lambda pen, text=text: pen.block(INDENT, Text(label), text), width), width)


@given(indents, names, st.lists(names, max_size=4), widths)
def test_heads_and_facts_fit(indent, head, facts, width):
    def draw(pen):
        pen.packed(indent, f"{indent}  ", Text(head), [Text(fact) for fact in facts])
        pen.hanging(indent, f"{indent}  ", Text(" ".join(facts)))
        pen.fact("Label", Text(head))

    assert_fits(drawn(draw, width), width)


def test_what_is_isolated_stays_isolated_where_it_is_broken():
    """The order of what stands around it must not turn."""
    name = one_line("שלום עולם " * 6)
    lines = drawn(lambda pen: pen.hanging("", "", Text(f"by {name}, then")), 40)
    assert len(lines) > 1
    assert all("\u2068" in line and "\u2069" in line for line in lines)


def test_a_deep_indent_leaves_room_for_the_text():
    (line,) = drawn(lambda pen: pen.hanging("│ " * 60, "", Text("found")), 80)
    assert line.endswith("found")
    assert cell_len(line) <= 80


def test_many_lines_are_drawn_in_their_order():
    text = "\n".join(str(number) for number in range(2_500))
    assert drawn(lambda pen: pen.block("  ", Text(), text), 80) == [f"  {number}" for number in range(2_500)]


def test_empty_lines_at_the_end_of_a_text_are_not_drawn():
    """A request ends in two line feeds."""
    assert drawn(lambda pen: pen.block("| ", Text("request"), "GET /\r\nHost: x\r\n\r\n"), 80) == [
        "| request",
        "|   GET /",
        "|   Host: x",
    ]
    assert drawn(lambda pen: pen.block("| ", Text("input"), " \n\n"), 80) == ["| input"]
