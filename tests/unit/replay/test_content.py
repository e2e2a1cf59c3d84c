"""What a text is, told from what Dify kept."""

from __future__ import annotations

import json

import pytest

from monitor.model import Hit, Node
from monitor.replay.content import Kept, documents_of, step_passages
from monitor.replay.nouns import Document
from monitor.testing import samples

LLM_NODE = Node(node_id="n", node_type="llm", title="LLM")


def told(step, *, erased=(), show=True, **content):
    """(name, note, text) of what is read first, and the names of the details."""
    passages = step_passages(step, Kept(content, erased, show))
    points = [(one.name, one.note, one.text) for one in passages if not one.detail]
    return points, [one.name for one in passages if one.detail]


def test_an_agents_thought_is_what_the_model_said():
    assert told(samples.llm_step(), output="好的") == ([("said", "", "好的")], [])


def test_a_model_node_tells_prompts_and_words():
    content = samples.llm_content()
    points, details = told(samples.llm_step(node=LLM_NODE), **content)
    assert [(name, note) for name, note, _ in points] == [("prompt", "system"), ("prompt", "user"), ("said", "")]
    assert points[1][2] == samples.QUESTION
    assert details == ["input", "process", "output"]


def test_what_a_model_thought_stands_before_what_it_said():
    output = json.dumps({"text": "42", "reasoning_content": "6 x 7"})
    assert told(samples.llm_step(node=LLM_NODE), output=output)[0] == [("reasoning", "", "6 x 7"), ("said", "", "42")]


def test_a_model_node_without_words_tells_its_output():
    """A question classifier has a class to tell."""
    output = json.dumps({"class_name": "售后"})
    assert told(samples.llm_step(node=LLM_NODE), output=output, input="{}") == (
        [("input", "", "{}"), ("output", "", output)],
        [],
    )


def test_a_tool_tells_arguments_and_result():
    assert told(samples.tool_step(), input='{"a": 1}', output="ok") == (
        [("arguments", "", '{"a": 1}'), ("result", "", "ok")],
        [],
    )


def test_a_tool_node_tells_the_result_that_its_output_holds():
    output = json.dumps({"text": "ok", "files": [], "json": []})
    assert told(samples.tool_step(), output=output) == ([("result", "", "ok")], ["output"])


def test_an_agents_failed_tool_need_not_say_its_error_twice():
    step = samples.tool_step(status="failed")
    points, details = told(step, output="tool invoke error: no route", error="no route")
    assert (points, details) == ([("error", "", "no route")], ["output"])
    assert told(step, output="something else", error="no route")[0][0] == ("result", "", "something else")


def test_a_retrieval_tells_query_and_documents():
    step = samples.retrieval_step()
    found = [
        {"metadata": {"dataset_name": "库", "document_name": "a.md", "score": 0.5}, "title": "a.md", "content": "七天"},
        {"content": "没有出处", "metadata": {"score": "high"}},
        "bare",
    ]
    content = {"input": json.dumps({"query": "退货"}), "output": json.dumps({"result": found})}
    assert told(step, **content) == ([("query", "", "退货")], ["input", "output"])
    documents = documents_of(step, Kept(content))
    assert [(one.dataset, one.title, one.score, one.text) for one in documents] == [
        ("库", "a.md", 0.5, "七天"),
        ("", "", None, "没有出处"),
        ("", "", None, "bare"),
    ]


def test_a_retrieval_of_an_agent_tells_the_text_that_it_found():
    step = samples.retrieval_step()
    assert told(step, input="{}", output="七天无理由") == ([("query", "", "{}"), ("found", "", "七天无理由")], [])
    assert documents_of(step, Kept({"output": "七天无理由"})) == ()


def test_documents_are_only_told_where_they_may_be():
    step, content = samples.retrieval_step(), {"output": json.dumps({"result": ["x"]})}
    assert documents_of(step, Kept(content, show=False)) == ()
    assert documents_of(step, Kept(content, erased=("output",))) == ()
    assert documents_of(samples.tool_step(), Kept(content)) == ()


def test_an_http_request_tells_request_and_response():
    process = json.dumps({"request": "GET /orders HTTP/1.1\r\n\r\n"})
    output = json.dumps({"status_code": 200, "body": "{}", "headers": {}})
    points, details = told(samples.http_step(), process=process, output=output)
    assert points == [("request", "", "GET /orders HTTP/1.1"), ("response", "200", "{}")]
    assert details == ["process", "output"]


def test_an_http_node_tells_its_request_wherever_it_was_kept():
    points, details = told(samples.http_step(), input="GET /orders HTTP/1.1")
    assert (points, details) == ([("request", "", "GET /orders HTTP/1.1")], [])


def test_an_agent_node_tells_query_and_words():
    step = samples.node_step(node_type="agent", kind="agent")
    points, details = told(step, input='{"query": "hi", "tools": []}', output='{"text": "好的", "json": []}')
    assert points == [("query", "", "hi"), ("said", "", "好的")]
    assert details == ["input", "output"]


def test_an_answer_node_tells_its_answer():
    assert told(samples.node_step(node_type="answer"), output='{"answer": "a", "files": []}')[0] == [
        ("output", "", "a")
    ]


def test_a_node_that_hands_its_input_on_tells_it_once():
    """The start node does."""
    assert told(samples.node_step(node_type="start"), input='{"a":1}', output='{"a":1}') == (
        [("input", "", '{"a":1}')],
        ["output"],
    )


def test_a_nodes_inner_data_is_a_detail_unless_it_is_all_there_is():
    step = samples.node_step(node_type="if-else")
    assert told(step, input="{}", process="p") == ([("input", "", "{}")], ["process"])
    assert told(step, process="p") == ([("process", "", "p")], [])


@pytest.mark.parametrize("text", ["{", "[1", '{"text": 5}', '{"text": ""}', "[]", "null", "[" * 5000])
@pytest.mark.parametrize("step", [samples.llm_step(node=LLM_NODE), samples.tool_step(), samples.retrieval_step()])
def test_what_cannot_be_read_is_told_as_it_is(step, text):
    points, _ = told(step, output=text)
    assert [point[2] for point in points] == [text]


def test_what_stands_in_json_is_made_storable():
    """Half of an emoji in an escape would break whoever writes it on."""
    ((_, _, text),), _ = told(samples.tool_step(), output='{"text": "a\\ud83d\\u0000"}')
    text.encode()
    assert "\x00" not in text


def test_erased_and_withheld_texts_say_so():
    passages = step_passages(samples.tool_step(), Kept({"input": "a"}, erased=("output",)))
    assert [(one.name, one.state, one.text) for one in passages] == [
        ("arguments", "kept", "a"),
        ("result", "erased", ""),
    ]
    passages = step_passages(samples.tool_step(), Kept({"input": "a"}, show=False))
    assert [(one.name, one.state, one.text) for one in passages] == [("arguments", "withheld", "")]


# -- what a search found


NODE_OUTPUT = json.dumps(
    {
        "result": [
            {"title": "退货.md", "content": "七天", "metadata": {"dataset_name": "政策", "score": 0.5}},
            {"title": "发货.md", "content": "两天", "metadata": {"dataset_name": "政策", "segment_id": "s2"}},
        ]
    }
)
HITS = (Hit("d1", "doc1", "s1", 0.9, 1), Hit("d1", "doc2", "s2", 0.8, 3))


def found(output, hits=HITS, **asked):
    return documents_of(samples.retrieval_step(hits=hits), Kept({"output": output}, **asked))


def test_facts_of_a_hit_and_its_names_and_text_come_together():
    first, second = found(NODE_OUTPUT)
    assert first == Document(1, "政策", "退货.md", 0.9, "d1", "doc1", "s1", "七天")
    assert (second.rank, second.title, second.segment_id, second.text) == (3, "发货.md", "s2", "两天")


def test_a_chats_search_keeps_a_list():
    """Chats keep what they found in the message's metadata (`retriever_resources`), one list for each dataset."""
    listed = json.dumps([{"dataset_name": "政策", "document_name": "退货.md", "content": "七天"}])
    (document, other) = found(listed)
    assert (document.title, document.dataset, document.text, document.score) == ("退货.md", "政策", "七天", 0.9)
    assert (other.title, other.text, other.document_id) == ("", "", "doc2")
    assert step_passages(samples.retrieval_step(), Kept({"output": listed}))[0].detail


def test_without_facts_the_text_tells_them():
    first, second = found(NODE_OUTPUT, hits=())
    assert (first.rank, first.score, first.segment_id) == (1, 0.5, "")
    assert (second.rank, second.score, second.segment_id) == (2, None, "s2")


@pytest.mark.parametrize("asked", [{"show": False}, {"erased": ("output",)}])
def test_facts_stay_where_names_and_text_may_not_be_told(asked):
    documents = found(NODE_OUTPUT, **asked)
    assert [(each.rank, each.score, each.title, each.text) for each in documents] == [
        (1, 0.9, "", ""),
        (3, 0.8, "", ""),
    ]


def test_an_agents_search_has_facts_and_one_text():
    """Its result is what the model was given: all of it in one text."""
    documents = found("七天。两天。")
    assert [(each.segment_id, each.text) for each in documents] == [("s1", ""), ("s2", "")]
