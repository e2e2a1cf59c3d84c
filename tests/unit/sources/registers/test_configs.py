"""Configurations: each is told once, with what it came after and what differs.

Dify writes a new row of `app_model_configs` whenever somebody saves a chat, agent or completion app, and a new row of
`workflows` whenever somebody publishes; `apps` names the one in force. Drafts are rewritten in place, all day long.
"""

from __future__ import annotations

from monitor.model import ConfigChanged, Event
from monitor.normalise.config_hash import config_hash
from tests.support.reading import pseudonym
from tests.unit.sources.registers.dify import Reader, Small, names, row_id


def config(dify: Small, number: int, prompt: str, *, app: str = "chat", **more: object) -> str:
    columns = {"pre_prompt": prompt, "model": '{"provider": "openai", "name": "gpt"}', "agent_mode": '{"tools": []}'}
    return dify.put("app_model_configs", row_id("c", number), app=app, columns=columns, **more)


def bodies(events: list[Event]) -> list[ConfigChanged]:
    return [event.body for event in events if isinstance(event.body, ConfigChanged)]


def test_each_row_is_told_once_with_the_one_before() -> None:
    dify = Small()
    first = config(dify, 9, "Be kind.")
    dify.now += 10
    second = config(dify, 3, "Be brief.")
    reader = Reader(dify)
    events = reader.read()
    one, other = bodies(events)
    assert names(events) == [f"app:chat:config:{first}:0", f"app:chat:config:{second}:0"]
    assert (one.was, one.what) == ("", ())
    assert one.hash == config_hash(dify.rows["app_model_configs"][first]["columns"])
    assert (other.was, other.what) == (one.hash, ("prompt",))
    assert (other.model_provider, other.model_name, other.user) == ("openai", "gpt", pseudonym("author"))
    assert other.app.app_name == "Chat"
    assert events[1].content["prompt"] == "Be brief."
    assert events[1].occurred_at == dify.rows["app_model_configs"][second]["created"] * 1000
    assert reader.settle() == []


def test_a_later_row_knows_its_predecessor_by_the_table_not_by_what_was_told() -> None:
    dify = Small()
    config(dify, 9, "Be kind.")
    reader = Reader(dify)
    (one,) = bodies(reader.read())
    config(dify, 1, "Be brief.")
    (other,) = bodies(reader.read())
    assert other.was == one.hash
    config(dify, 2, "Hello.", app="workflow")
    (another,) = bodies(reader.read())
    assert another.was == ""


def test_what_is_in_force_is_told_before_the_rest_of_a_large_table() -> None:
    dify = Small()
    for number in range(1_200):
        config(dify, number, f"Prompt {number}.", app=f"gone {number}")
    reader = Reader(dify)
    reader.read()
    dify.rows["apps"]["chat"]["config_id"] = config(dify, 5_000, "In force.")
    dify.now += 31
    reader.page()
    assert reader.told[-1].key == f"app:chat:config:{row_id('c', 5_000)}:0"
    assert reader.settle() == []
    assert len(set(names(reader.told))) == len(reader.told) == 1_201


def test_texts_are_read_only_of_what_is_new() -> None:
    dify = Small()
    for number in range(3):
        config(dify, number, f"Prompt {number}.")
    reader = Reader(dify)
    reader.read()
    dify.asked.clear()
    reader.settle()
    assert (dify.asked["app_configs"], dify.asked["app_config_states"]) == (0, 0)
    assert dify.asked["app_config_slice"] > 0


def test_large_texts_are_told_in_several_pages() -> None:
    dify = Small()
    for number in range(130):
        config(dify, number, f"Prompt {number}.", size=10 if number else 5 << 20)
        dify.now += 1
    reader = Reader(dify)
    assert len(reader.page().events) == 1
    reader.read(0)
    assert len(set(names(reader.told))) == len(reader.told) == 130


def test_a_row_rewritten_in_place_is_told_only_where_its_hash_changed() -> None:
    """A migration may rewrite a row, and a published workflow gets another name: `updated_at` moves, the hash says."""
    dify = Small()
    row = config(dify, 1, "Be kind.")
    reader = Reader(dify)
    (one,) = bodies(reader.read())
    dify.put("app_model_configs", row, updated=dify.at())
    assert reader.read() == []
    dify.now += 10
    config(dify, 1, "Be cruel.", updated=dify.at())
    (event,) = reader.read()
    assert isinstance(event.body, ConfigChanged)
    assert (event.key[-2:], event.body.was, event.content["prompt"]) == (":1", one.hash, "Be cruel.")
    assert reader.settle() == []


# -- workflows


def workflow(dify: Small, number: int, title: str, **more: object) -> str:
    graph = f'{{"nodes": [{{"id": "n", "data": {{"type": "llm", "title": "{title}"}}}}]}}'
    return dify.put("workflows", row_id("d", number), **({"app": "workflow", "graph": graph} | more))


def test_published_versions_are_told_and_drafts_are_not() -> None:
    dify = Small()
    workflow(dify, 1, "A", draft=True)
    workflow(dify, 2, "A", name="Spring", comment="for the sale")
    dify.now += 5
    workflow(dify, 3, "B")
    reader = Reader(dify)
    events = reader.read()
    one, other = bodies(events)
    assert (one.config_id, one.version, one.was) == (row_id("d", 2), "v1", "")
    assert events[0].content["note"] == "Spring\n\nfor the sale"
    assert "prompt" not in events[0].content
    assert (other.was, other.what) == (one.hash, ("workflow",))
    workflow(dify, 1, "C", draft=True)
    dify.now += 60
    assert reader.settle() == []


def test_the_hash_is_the_one_that_turns_carry() -> None:
    dify = Small()
    row = workflow(dify, 1, "A")
    (body,) = bodies(Reader(dify).read())
    assert body.hash == dify.definitions([row])[row].hash != ""


def test_a_pipelines_workflow_has_its_type_for_a_mode() -> None:
    """From 1.9 on knowledge pipelines publish workflows without an app."""
    dify = Small()
    workflow(dify, 1, "A", app="pipeline", type="rag-pipeline")
    workflow(dify, 2, "A", app="deleted", type="chat")
    modes = {body.app.app_id: (body.app.mode, body.app.tenant_id) for body in bodies(Reader(dify).read())}
    assert modes == {"pipeline": ("rag-pipeline", "t"), "deleted": ("advanced-chat", "t")}


def test_a_version_that_was_deleted_is_forgotten() -> None:
    dify = Small()
    row = workflow(dify, 1, "A")
    reader = Reader(dify)
    reader.read()
    dify.delete("workflows", row)
    assert reader.settle() == []
    assert reader.memory.held == {}
