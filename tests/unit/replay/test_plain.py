"""Foreign text on a terminal: shown, never obeyed; and broken into lines as people read them."""

from __future__ import annotations

import json
from unicodedata import bidirectional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from monitor.replay.plain import isolated, one_line, readable_json, shortened, visible, width_of, wrapped

ANY_TEXT = st.text(max_size=60)
MIXED = st.text(st.sampled_from('ab 1,.{"\\长订，。（ש é́👩\u200d\ufe0f🇩🇪🏽'), max_size=60)


# -- visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x00\x08\x7f", "␀␈␡"),
        ("a\tb", "a    b"),
        ("over\rwrite", "over␍write"),
        ("line\r\nline", "line\nline"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202etxt.exe\u202c", "\\u202etxt.exe\\u202c"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u2028b\ufeffc\u200bd\u00ade", "a\\u2028b\\ufeffc\\u200bd\\xade"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud83d", "\\ud83d"),
    ],
)
def test_what_could_act_or_hide_is_shown_instead(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["我的订单 📦", "👨‍👩‍👧 ❤️ 🇩🇪", "می‌خواهم", "שלום\u200f", "Z̷a̴", "[bold]x[/bold] :smile:", "a\nb"]
)
def test_what_people_write_stays(text):
    assert visible(text) == text


@given(ANY_TEXT)
def test_making_it_visible_twice_changes_nothing_more(text):
    assert visible(visible(text)) == visible(text)


# -- right to left


def test_right_to_left_text_is_isolated_and_no_other():
    assert isolated("שלום 123") == "\u2068שלום 123\u2069"
    assert isolated("مرحبا") == "\u2068مرحبا\u2069"
    assert isolated("订单 order") == "订单 order"


def test_a_name_is_one_short_line():
    assert one_line(" a\n\tb\x1b ") == "a b␛"
    assert one_line("x" * 300) == "x" * 199 + "…"
    assert one_line("שלום") == "\u2068שלום\u2069"


# -- shortened


def test_a_long_text_is_cut_and_what_is_left_out_is_counted():
    assert shortened("x" * 100, 10) == ("x" * 10, 90)


def test_a_small_rest_is_not_left_out():
    assert shortened("x" * 11, 10) == ("x" * 11, 0)
    assert shortened("x" * 12, 10) == ("x" * 10, 2)


def test_nothing_is_cut_where_all_is_asked_for():
    assert shortened("x" * 100_000, None) == ("x" * 100_000, 0)


# -- JSON


def test_json_that_fits_stands_on_one_line():
    assert readable_json('{"a":1,"b":[2,3]}', 40, 2000) == '{"a": 1, "b": [2, 3]}'


def test_json_that_does_not_is_indented_and_small_parts_stay_together():
    text = '{"orders":[{"id":1,"status":"x"},{"id":2,"status":"y"}],"note":"' + "n" * 20 + '"}'
    assert readable_json(text, 40, 2000).split("\n") == [
        "{",
        '  "orders": [',
        '    {"id": 1, "status": "x"},',
        '    {"id": 2, "status": "y"}',
        "  ],",
        '  "note": "nnnnnnnnnnnnnnnnnnnn"',
        "}",
    ]


def test_json_too_long_to_indent_stays_as_it_is():
    text = json.dumps({"a": "x" * 100})
    assert readable_json(text, 40, 50) == text
    assert readable_json(text, 40, None) != text


def test_no_value_changes_in_json():
    """Numbers keep their digits, doubled keys stay: this is a record."""
    text = '{"a":1.00000000000000000001,"a":1e99,"b":"\\u001b\\u0022"}'
    assert readable_json(text, 100, 2000) == text.replace(",", ", ").replace('":', '": ')


def test_letters_that_were_escaped_can_be_read():
    assert readable_json('["\\u5df2\\u6253\\u5305 \\ud83d\\udce6 \\\\u5df2"]', 100, 2000) == '["已打包 📦 \\\\u5df2"]'


@pytest.mark.parametrize("text", ["", "plain", "{broken", "[1,", "12", '"x"', "[" * 100_000])
def test_other_text_stays_as_it_is(text):
    assert readable_json(text, 40, None) == text


@given(st.recursive(st.integers() | ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)))
def test_readable_json_means_the_same(value):
    text = json.dumps([value])
    assert json.loads(readable_json(text, 30, None)) == [value]


# -- lines


def test_lines_break_at_spaces():
    assert wrapped("the quick brown fox", 10) == ["the quick", "brown fox"]


def test_lines_break_between_chinese_characters_but_not_before_punctuation():
    assert wrapped("我的订单到哪了？", 8) == ["我的订单", "到哪了？"]
    assert wrapped("我的订单，到哪了", 8) == ["我的订", "单，到哪", "了"]
    assert wrapped("我查询（订单）", 8) == ["我查询", "（订单）"]


def test_a_chinese_line_fills_what_a_latin_word_began():
    assert wrapped("ID 已打包待出库", 8) == ["ID 已打", "包待出库"]


def test_a_word_wider_than_a_line_is_cut():
    assert wrapped("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert wrapped("ab " + "x" * 15, 10) == ["ab", "x" * 10, "x" * 5]


def test_what_continues_an_indented_line_is_indented_further():
    assert wrapped("  key: a long value", 12) == ["  key: a", "    long", "    value"]


def test_empty_lines_stay():
    assert wrapped("a\n\nb", 10) == ["a", "", "b"]
    assert wrapped("", 10) == [""]


def test_what_is_drawn_onto_a_character_stays_with_it():
    assert wrapped("👨‍👩‍👧" * 3, 8) == ["👨‍👩‍👧" * 3]
    assert "".join(wrapped("🇩🇪🇫🇷" * 5, 8)) == "🇩🇪🇫🇷" * 5
    assert all(len(line) % 4 == 0 for line in wrapped("🇩🇪🇫🇷" * 5, 8))


@given(st.one_of(ANY_TEXT, MIXED), st.integers(8, 30))
def test_no_line_is_wider_than_asked_and_no_character_is_lost(text, width):
    shown = visible(text)
    lines = wrapped(shown, width)
    assert [line for line in lines if width_of(line) > width] == []
    assert "".join("".join(lines).split()) == "".join(shown.split())


@given(MIXED)
def test_widths_are_those_of_the_library_that_draws(text):
    assert width_of(text) >= cell_len(text)


def test_a_very_long_text_is_broken_in_reasonable_steps():
    """Two million characters without a space, which a quadratic way would take hours for."""
    assert len(wrapped("y" * 2_000_000, 80)) == 25_000


@given(
    st.text('ab ,.)("%\\长订单，。（【』”“‘ ！é…—～アガ', max_size=60).map(str.strip).filter(bool), st.integers(8, 30)
)
def test_plain_texts_break_where_all_others_do(text, width):
    """They are broken by a faster way than a text that has an emoji in it."""
    lines, other = wrapped(text, width), wrapped(f"{text} 📦", width)
    assert other[: len(lines) - 1] == lines[:-1]
    assert other[len(lines) - 1].startswith(lines[-1])


def test_a_character_takes_the_cells_that_the_library_gives_it():
    characters = [chr(code) for code in range(0x20, 0x10000) if visible(chr(code)) == chr(code)]
    assert [char for char in characters if width_of(char) != cell_len(char)] == []


def test_every_letter_from_right_to_left_is_isolated():
    written_so = [chr(code) for code in range(0x20, 0x110000) if bidirectional(chr(code)) in {"R", "AL", "AN"}]
    assert [letter for letter in written_so if isolated(letter) == letter] == []
