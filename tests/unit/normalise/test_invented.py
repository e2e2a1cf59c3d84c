"""Tools that a model made up: what they are called where facts leave, by every way that facts leave."""

from __future__ import annotations

import json

import msgspec
import pytest

from monitor.model import Evidence, StepEnded, Tool, ids
from monitor.normalise.documents import document_of
from monitor.normalise.invented import key_of, seen_of, step_id_of, tool_name_of
from monitor.normalise.spans import spans_of
from monitor.testing import samples

NAME = "delete/alices: order"
MESSAGE = samples.uuid(1, 1)


def called(number: int = 1, name: str = NAME, *, known: bool = False):
    step = samples.tool_step(id=f"{MESSAGE}/{number}/{name}", name=name, tool=Tool(name=name, known=known))
    return step, samples.recorded(StepEnded(turn=samples.turn_ref(), step=step))


def everything(recorded, content) -> str:
    found = [spans_of(recorded, content), document_of(recorded, content, {})]
    return json.dumps(msgspec.to_builtins(found))


def test_a_made_up_name_leaves_nowhere_by_itself():
    step, recorded = called()
    assert "alice" not in everything(recorded, {}) + key_of(recorded.event) + step_id_of(step)
    assert spans_of(recorded, {}).name == "execute_tool (unknown)"


@pytest.mark.parametrize("said", [NAME, "delete/[name]: order"])
def test_it_leaves_as_far_as_content_may(said):
    """What the policy lets through stands in the content, masked or not; ids hold it never."""
    step, recorded = called()
    assert spans_of(recorded, {"name": said}).name == f"execute_tool {said}"
    assert tool_name_of(step, {"name": said}) == said
    assert document_of(recorded, {"name": said}, {}).id == document_of(recorded, {}, {}).id


def test_a_tool_that_there_is_is_called_by_its_name():
    step, recorded = called(name="query", known=True)
    assert (step_id_of(step), key_of(recorded.event)) == (step.id, recorded.event.key)
    assert tool_name_of(step, {}) == "query"
    assert document_of(recorded, {}, {}).id == recorded.event.key


def test_a_repeat_is_the_same_and_another_call_is_another():
    """Ids of spans are what they always were; those of documents tell calls apart."""
    step, recorded = called()
    assert spans_of(recorded, {}).span_id == ids.span_id(samples.turn_ref().turn_id, "tool", step.id)
    keys = [key_of(each[1].event) for each in (called(), called(), called(2), called(name="delete/bobs"))]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert keys[0].startswith(f"{samples.turn_ref().turn_id}:step:{MESSAGE}/1/")


def test_a_step_whose_id_holds_no_name_keeps_it():
    """Calls within an Agent node are rows of their own."""
    for step_id in (samples.uuid(1, 2), f"{samples.uuid(1, 3)}/4"):
        step = samples.tool_step(id=step_id, tool=Tool(name=NAME, known=False))
        assert step_id_of(step) == step_id


def test_what_speaks_for_an_alert_names_none():
    step, recorded = called()
    plain = Evidence(key=recorded.event.key, turn_id=samples.turn_ref().turn_id, step_id=step.id, at=1, status="failed")
    made_up = msgspec.structs.replace(plain, invented=True)
    assert seen_of(plain) == (plain.key, plain.step_id)
    assert seen_of(made_up) == (key_of(recorded.event), step_id_of(step))
