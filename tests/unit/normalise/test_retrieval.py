"""What a chat's or an agent's searches in knowledge bases found: from the message's metadata, or a table up to 1.2."""

from __future__ import annotations

import json

import pytest

from monitor.model import Hit, StepEnded, TurnEnded
from monitor.normalise.retrieval import dataset_of_tool
from monitor.normalise.rows import ResourceRow
from monitor.normalise.turns import ref_of, turn_events
from tests.unit.normalise.dify import MESSAGE, RUN, message, node, ns, run, thought, turn

_DATASET = "6c1cf83e-6961-48a0-97d6-d6d98d0cd6bd"


def _events(rows, ended="final"):
    return turn_events(ref_of(rows, lambda user: user), rows, ended)


def _searches(rows, ended="final"):
    events = [event for event in _events(rows, ended) if isinstance(event.body, StepEnded)]
    return [event for event in events if event.body.step.kind == "retrieval"]


def _resource(position=1, dataset=_DATASET, **fields):
    given = {
        "position": position, "dataset_id": dataset, "dataset_name": "Guide", "document_id": "doc", "document_name": "a.txt",
        "segment_id": f"s{position}", "score": 0.5, "content": "Within seven days.", "retriever_from": "api",
    }  # fmt: skip
    return given | fields


def _metadata(*resources):
    return json.dumps({"annotation_reply": None, "retriever_resources": list(resources), "usage": None})


def _chat(*resources, mode="chat", **columns):
    return message(mode=mode, **({"latency_s": 2.0, "metadata": _metadata(*resources)} | columns))


@pytest.mark.parametrize("mode", ["chat", "completion"])
def test_a_chats_search_is_a_step_at_the_turns_start(mode):
    (event,) = _searches(turn(message=_chat(_resource(), mode=mode)))
    step = event.body.step
    assert step.id == f"{MESSAGE}/retrieval/{_DATASET}"
    assert (step.started_at, step.ended_at, step.estimated, step.status) == (ns(0), ns(0), True, "succeeded")
    assert (step.dataset_id, step.documents, step.hits) == (_DATASET, 1, (Hit(_DATASET, "doc", "s1", 0.5, 1),))
    assert json.loads(event.content["output"]) == [
        {"dataset_name": "Guide", "document_name": "a.txt", "content": "Within seven days."}
    ]


def test_a_search_is_told_with_the_turns_end():
    assert _searches(turn(message=_chat(_resource())), "no") == []


def test_each_dataset_is_a_search_of_its_own_best_first():
    rows = turn(message=_chat(_resource(3), _resource(1, "other"), _resource(2)))
    assert {
        event.body.step.dataset_id: [hit.position for hit in event.body.step.hits] for event in _searches(rows)
    } == {
        _DATASET: [2, 3],
        "other": [1],
    }


def test_a_chat_that_searched_is_a_model_call_all_the_same():
    (end,) = [event.body for event in _events(turn(message=_chat(_resource(), input_tokens=5, output_tokens=2)))
              if isinstance(event.body, TurnEnded)]  # fmt: skip
    assert (end.counts_usage, end.usage.total_tokens, end.tokens_disagree) == (True, 7, False)
    failed = _events(turn(message=_chat(_resource(), latency_s=0.0, status="error", error="timed out")))[-1].body
    assert (failed.status, failed.counts_usage, len(failed.steps)) == ("failed", True, 1)


def _row(**columns):
    given = {
        "message_id": MESSAGE, "position": 1, "dataset_id": _DATASET, "dataset_name": "Guide", "document_id": "doc",
        "document_name": "a.txt", "segment_id": "s1", "score": 0.25, "content": "text",
    }  # fmt: skip
    return ResourceRow(**(given | columns))


def test_up_to_1_2_the_hits_are_in_a_table_of_their_own():
    """dataset_retriever_resources; where the metadata have the same hits, they are not told twice."""
    alone = _searches(turn(message=_chat(metadata=None), resources=[_row(position=2, segment_id=None), _row()]))
    assert [hit.score for hit in alone[0].body.step.hits] == [0.25, 0.25]
    assert [hit.position for hit in alone[0].body.step.hits] == [1, 2]
    both = _searches(turn(message=_chat(_resource()), resources=[_row()]))
    assert [event.body.step.documents for event in both] == [1]


def test_a_chatflows_sources_repeat_its_node():
    result = {"result": [{"metadata": _resource(), "title": "a.txt", "content": "text"}]}
    searched = node(1, 0, 1, node_type="knowledge-retrieval", outputs=json.dumps(result))
    chatflow = _chat(_resource(), mode="advanced-chat", run_id=RUN)
    assert [event.body.step.id for event in _searches(turn(message=chatflow, run=run(0, 2), nodes=[searched]))] == [
        searched.id
    ]
    assert _searches(turn(message=chatflow)) == []  # its run is kept elsewhere, or comes later


def _asked(position):
    tool = f"dataset_{_DATASET.replace('-', '_')}"
    return thought(position, position, tool=tool, observation=json.dumps({tool: "Within seven days."}), answer="x")


def test_an_agents_search_gets_the_hits_of_its_dataset():
    """Mostly Dify keeps none of an agent's; where it does, they are those of the tool calls, not further searches."""
    rows = turn(
        message=_chat(_resource(), _resource(2, "never asked"), mode="agent-chat"), thoughts=[_asked(1), _asked(2)]
    )
    found = {event.body.step.id: event.body.step for event in _searches(rows)}
    assert [len(step.hits) for step in found.values()] == [1, 0, 1]
    assert found[f"{MESSAGE}/retrieval/never asked"].documents == 1


@pytest.mark.parametrize(
    "resources",
    [
        [],
        [None],
        ["x"],
        [{}],
        [{"dataset_id": 5, "score": True, "position": "1e9", "content": []}],
        [{"score": 10**400}],
    ],
)
def test_odd_hits_are_told_as_far_as_they_can_be(resources):
    for event in _searches(turn(message=_chat(*resources))):
        assert event.body.step.hits[0].score is None


@pytest.mark.parametrize(
    ("name", "provider", "kind", "dataset"),
    [
        ("query_order", "shop", "api", ""),
        ("dataset_6C1CF83E_6961_48a0_97d6_d6d98d0cd6bd", None, None, "6C1CF83E-6961-48a0-97d6-d6d98d0cd6bd"),
        ("dataset_x", None, None, ""),
        ("guide", "d1", "dataset-retrieval", "d1"),
        ("guide", None, "dataset-retrieval", "guide"),
    ],
)
def test_which_tools_are_knowledge_bases(name, provider, kind, dataset):
    assert dataset_of_tool(name, provider=provider, provider_type=kind) == dataset
