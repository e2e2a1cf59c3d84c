"""Knowledge documents: told when one fails, is stuck or paused, and when it comes through after that.

Dify's `documents.indexing_status` goes waiting, parsing, cleaning, splitting, indexing, completed, or ends as error;
each stage leaves the time at which it was over. A worker that dies leaves a document where it was.
"""

from __future__ import annotations

from monitor.model import Event, IndexingChanged
from tests.unit.sources.registers.dify import Reader, Small, row_id


def document(dify: Small, number: int = 1, **columns: object) -> str:
    dify.put("datasets", "d", name="Policies")
    dify.put("tenants", "t", name="Workspace")
    given = {"status": "indexing", "stage": dify.at(), "dataset": "d", "name": "returns.txt"}
    return dify.put("documents", row_id("d", number), **(given | columns))


def said(events: list[Event]) -> list[tuple[str, str, str]]:
    return [
        (event.key.rsplit(":", 1)[1], event.body.status, event.body.stage)
        for event in events
        if isinstance(event.body, IndexingChanged)
    ]


def test_what_is_fine_is_not_told_and_costs_no_memory() -> None:
    dify = Small()
    document(dify, 1, status="completed", completed=dify.at())
    document(dify, 2)
    reader = Reader(dify)
    assert reader.read() == []
    assert reader.memory.held == {}


def test_a_failed_document_is_told_with_its_names_and_comes_through_later() -> None:
    dify = Small()
    row = document(dify, status="error", stopped=dify.at(20), error="timed out")
    reader = Reader(dify)
    (event,) = reader.read()
    body = event.body
    assert isinstance(body, IndexingChanged)
    assert event.key == f"dataset:d:document:{row}:0"
    assert (body.status, body.stage, body.error_type) == ("failed", "error", "timeout")
    assert (body.tenant_id, body.tenant_name, body.dataset_name) == ("t", "Workspace", "Policies")
    assert event.content == {"name": "returns.txt", "error": "timed out"}
    assert event.occurred_at == body.since == dify.at(20) * 1000
    assert reader.settle() == []
    document(dify, status="parsing", stage=dify.at())
    assert reader.read() == []
    document(dify, status="completed", completed=dify.at())
    (event,) = reader.read()
    assert said([event]) == [("1", "completed", "completed")]
    assert "error" not in event.content
    assert reader.settle() == []
    document(dify, status="error", stopped=dify.at())
    assert said(reader.read()) == [("2", "failed", "error")]


def test_a_document_that_fails_twice_failed_twice() -> None:
    dify = Small()
    document(dify, status="error", stopped=dify.at())
    reader = Reader(dify)
    reader.read()
    document(dify, status="error", stopped=dify.at())
    assert said(reader.read()) == [("1", "failed", "error")]


def test_a_document_without_progress_for_half_an_hour_is_stuck() -> None:
    dify = Small()
    document(dify, status="splitting")
    reader = Reader(dify)
    assert reader.read(1_700) == []
    (event,) = reader.read(101)
    assert said([event]) == [("0", "stuck", "splitting")]
    assert event.occurred_at == dify.at(1_800) * 1000
    assert reader.settle() == []
    document(dify, status="completed", completed=dify.at())
    assert said(reader.read()) == [("1", "completed", "completed")]


def test_a_paused_document_is_told_as_paused_not_as_stuck() -> None:
    dify = Small()
    document(dify, paused=True, paused_at=dify.at())
    reader = Reader(dify)
    assert said(reader.read(7_200)) == [("0", "paused", "indexing")]
    assert reader.settle() == []


def test_names_that_may_not_be_read_are_left_out() -> None:
    dify = Small()
    document(dify, status="error", stopped=dify.at())
    del dify.rows["datasets"], dify.rows["tenants"]
    (event,) = Reader(dify).read()
    assert isinstance(event.body, IndexingChanged)
    assert (event.body.dataset_name, event.body.tenant_name, event.body.dataset_id) == ("", "", "d")


def test_a_document_that_was_deleted_is_told_so_once_and_forgotten() -> None:
    """Else what its failure raised would stand for ever; one that came through before has nothing to end."""
    dify = Small()
    row = document(dify, status="error", stopped=dify.at())
    other = document(dify, 2, status="error", stopped=dify.at())
    reader = Reader(dify)
    reader.read()
    document(dify, 2, status="completed", completed=dify.at())
    reader.read()
    dify.delete("documents", row)
    dify.delete("documents", other)
    (event,) = reader.read()
    body = event.body
    assert isinstance(body, IndexingChanged)
    assert event.key == f"dataset:d:document:{row}:1"
    assert (body.status, body.stage, body.dataset_name, body.tenant_id) == ("deleted", "", "Policies", "t")
    assert event.occurred_at == dify.now_us() * 1000
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_a_document_whose_knowledge_base_was_deleted_is_deleted_too() -> None:
    """Dify deletes the documents later, in the background; that they may not be read is no deletion."""
    dify = Small()
    row = document(dify, status="error", stopped=dify.at())
    reader = Reader(dify)
    reader.read()
    kept = dify.rows.pop("datasets")
    assert reader.settle() == []
    dify.rows["datasets"] = kept
    dify.delete("datasets", "d")
    assert said(reader.settle()) == [("1", "deleted", "")]
    dify.delete("documents", row)
    assert reader.settle() == []
    assert reader.memory.held == {}
