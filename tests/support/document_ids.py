"""Which documents a Dify's rows must become, worked out from the rows by SQL: id to kind.

It shares no code with the package that it judges. Turns are runs and messages without one; steps are node executions
(the last row of a retried one), thoughts, what a thought's tools answered, what an agent node wrote into its log, and
what a chat's or completion's message found in a knowledge base; notes are what people and operators did beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg

from tests.support import truth

__all__ = ["notes", "steps", "turns"]

Connection = psycopg.Connection[Any]

_KINDS = {
    "agent": "agent",
    "http-request": "http",
    "knowledge-retrieval": "retrieval",
    "llm": "llm",
    "parameter-extractor": "llm",
    "question-classifier": "llm",
    "tool": "tool",
}
_NODES = """
    SELECT coalesce(workflow_run_id, id)::text, id::text, node_type, execution_metadata FROM workflow_node_executions
"""
_THOUGHTS = """
    SELECT message.id::text, thought.id::text, thought.position, thought.tool, thought.tool_meta_str
    FROM message_agent_thoughts thought JOIN messages message ON message.id = thought.message_id
"""
_RESOURCES = """
    SELECT DISTINCT found.message, found.dataset FROM (
        SELECT message.id::text AS message, hit ->> 'dataset_id' AS dataset, message.app_id
        FROM messages message CROSS JOIN LATERAL json_array_elements(
            coalesce(nullif(message.message_metadata, '')::json -> 'retriever_resources', '[]')
        ) AS each (hit)
      UNION
        SELECT kept.message_id::text, kept.dataset_id::text, message.app_id
        FROM dataset_retriever_resources kept JOIN messages message ON message.id = kept.message_id
    ) found JOIN apps app ON app.id = found.app_id AND app.mode IN ('chat', 'completion')
"""
_NOTES = """
    SELECT coalesce(message.workflow_run_id, message.id)::text || ':feedback:' || rated.id || ':0', 'feedback_given'
    FROM message_feedbacks rated JOIN messages message ON message.id = rated.message_id
  UNION ALL
    SELECT 'app:' || app_id || ':annotation:' || id || ':0', 'annotation_made' FROM message_annotations
  UNION ALL
    SELECT 'app:' || app_id || ':config:' || id || ':0', 'config_changed' FROM app_model_configs
  UNION ALL
    SELECT 'app:' || app_id || ':config:' || id || ':0', 'config_changed' FROM workflows WHERE version <> 'draft'
  UNION ALL
    SELECT turn || ':deleted:' || turn || ':0', 'content_deleted' FROM (
        SELECT coalesce(message.workflow_run_id, message.id)::text AS turn
        FROM messages message JOIN conversations talk ON talk.id = message.conversation_id AND talk.is_deleted
    ) gone
"""
_DATASET = re.compile(r"dataset_[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}")


def turns(connection: Connection) -> dict[str, str]:
    """The turns' documents."""
    return {f"{turn}:turn:ended": "turn" for turn in truth.turn_ids(connection)}


def notes(connection: Connection) -> dict[str, str]:
    """The documents of ratings, annotations, configurations and deletions."""
    return {str(note): str(kind) for note, kind in connection.execute(_NOTES)}


def steps(connection: Connection) -> dict[str, str]:
    """The steps' documents, and what kind of step each is."""
    found = dict(_nodes(connection)) | dict(_thoughts(connection))
    resources = connection.execute(_RESOURCES).fetchall()
    return found | {f"{message}:step:{message}/retrieval/{dataset}": "retrieval" for message, dataset in resources}


def _nodes(connection: Connection) -> Iterator[tuple[str, str]]:
    last = set(truth.node_steps(connection))
    for run, row, node_type, metadata in connection.execute(_NODES).fetchall():
        if row in last or row == run:
            yield f"{run}:step:{row}", _KINDS.get(node_type, "node")
            if node_type == "agent":
                yield from _logged(run, json.loads(metadata or "{}").get("agent_log") or [])


def _logged(run: str, log: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What an agent node did: each call of a tool, and each of a model."""
    for entry in log:
        if not entry["label"].startswith("ROUND "):
            row = entry.get("message_id") or entry["id"]
            yield f"{run}:step:{row}", "tool" if entry["label"].startswith("CALL ") else "llm"


def _thoughts(connection: Connection) -> Iterator[tuple[str, str]]:
    for message, thought, position, tools, meta in connection.execute(_THOUGHTS).fetchall():
        yield f"{message}:step:{thought}", "llm"
        answered = json.loads(meta or "{}")
        for tool in filter(None, dict.fromkeys((tools or "").split(";"))):
            if tool in answered:
                yield f"{message}:step:{message}/{position}/{tool}", "retrieval" if _DATASET.fullmatch(tool) else "tool"
