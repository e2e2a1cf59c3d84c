"""Laws of all detectors, on texts made of what they look for and on texts made to hurt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Redaction
from monitor.normalise.redact.detector import Seen
from monitor.normalise.redact.masks import _detectors, masks_for
from monitor.normalise.redact.view import look
from tests.support.leaving import redact
from tests.unit.normalise.redact import test_detectors, test_everyday, test_masks
from tests.unit.normalise.redact.test_own import calls

PIECES = st.sampled_from(
    [
        *(text for text, _ in test_detectors.MASKED),
        *test_detectors.KEPT,
        *(text for text, _ in test_masks.MASKED),
        *(text for text, _ in test_everyday.MASKED),
        *test_everyday.KEPT,
        *"0123456789 +-.:/()@_,\\\"'=\n，：张王先生x",
        *("\\u5f20", "\\n", "[name]", "[ip]", "1234", "2001:", "::", "4000", "Dr. ", "Dear ", "姓名", "我叫", "Mr"),
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=8).map("".join))


@given(TEXTS)
@settings(deadline=None)
def test_spans_are_in_order_and_apart(text):
    for detector in _detectors(Redaction(words=("张王", "x1"), regions=("CN", "US", "DE", "HK"))):
        last = 0
        for start, end in detector.find(Seen(text)):
            assert last <= start < end <= len(text)
            last = end


@given(TEXTS)
@settings(deadline=None)
def test_what_is_not_masked_stays_as_it_was(text):
    found = masks_for(Redaction()).found(text)
    masked = redact(text)
    done = at = 0
    for each in found:
        assert done <= each.start < each.end <= len(text)
        kept = text[done : each.start]
        place = masked.find(each.mask, at + len(kept.rstrip("+-.0123456789eE")))
        assert place >= 0
        done, at = each.end, place + len(each.mask)
    assert bool(found) == (masked != text)


@given(
    st.recursive(
        st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False), st.none()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_json_stays_json(value, ascii_only):
    wrapped = {"value": value}
    assert isinstance(json.loads(redact(json.dumps(wrapped, ensure_ascii=ascii_only))), dict)


@given(TEXTS)
@settings(deadline=None)
def test_masking_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


@given(TEXTS)
@settings(deadline=None)
def test_the_view_leads_back(text):
    """Places go forward only, and the ends are the text's own."""
    view = look(text)
    places = [view.origin(place) for place in range(len(view.text) + 1)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, len(text))


HOSTILE = [
    "110105198807230413 ", "4000056655665556 ", "4000 0566 ", "DE89 3704 0044 ", "10.0.0.1.", "2001:db8:", "00:1a:",
    "+44 20 7946 0718", "415-555-0188 ", "A123456789 ", "姓名：张", "我叫张", "张先生", "Dear Ann Ann ", "Mr. Ann ",
    "my name is ", '{"patient_name": "', "\\u5f20\\u4f1f", "\\\\\\\\u5f20", "[13812345678,", '"a":13812345678,', "１３８",
    "password:", "护照 E1", "tel 1234567", '"\\"', "身份证",
    "%E7%94%B5", "%40", "name: ", '"name": "Ann Bo" ', "::ffff:1.", "0044 2", "number is ", "://a@", "a@b.js.", "this is Ann ",
    '{\\"a\\": 13812345678},', "姓名：Ann ", "10.0.0.1-",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_work_grows_with_the_text(piece):
    """Counted in calls, four times the text is about four times the work; that it ends says the same of the patterns."""
    few, many = (piece * (size // len(piece)) for size in (10_000, 40_000))
    redact(few)
    assert calls(lambda: redact(many)) < 5 * calls(lambda: redact(few)) + 1000
    redact(piece * (80_000 // len(piece)))
