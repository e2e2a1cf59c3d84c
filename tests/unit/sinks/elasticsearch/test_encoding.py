"""The lines of a bulk request are the document, whatever stands in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.normalise.documents import Document, document_of
from monitor.sinks.elasticsearch.encoding import encoded, index_of
from monitor.testing.laws import hostile
from monitor.testing.strategies import recorded_notes, recordeds

_COMMON = {"service.name": "dify", "labels": {"a.b": "100 %", "%s": "%b"}}


def lines(part):
    first, second, rest = part.split(b"\n")
    assert rest == b""
    return json.loads(first), json.loads(second)


def is_its_document(recorded):
    document = document_of(recorded, recorded.event.content, _COMMON)
    if document is None:
        return
    part = encoded("dify", document)
    action, source = lines(part)
    assert source == document.source
    index = f"dify-{document.stream}-{document.month}"
    assert action == {
        "index": {"_index": index, "_id": document.id, "version": document.version, "version_type": "external_gte"}
    }
    assert index_of(part) == index


@given(st.one_of(recordeds, recorded_notes))
def test_any_fact_is_its_document(recorded):
    is_its_document(recorded)


@pytest.mark.parametrize("number", range(11))
def test_hostile_facts_are_their_documents(number):
    is_its_document(list(hostile())[number])


@given(st.dictionaries(st.text(min_size=1).map(lambda name: name.replace(".", "_")), st.text(), min_size=1))
def test_any_name_and_text_can_stand_in_it(fields):
    """Percent signs and quotes are nothing special."""
    document = Document("turns", "2025.09", 'a "key" %b', 7, {f"a.{name}": text for name, text in fields.items()})
    action, source = lines(encoded("dify", document))
    assert source == {"a": fields}
    assert action["index"]["_id"] == 'a "key" %b'
