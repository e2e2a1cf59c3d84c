"""What is true of a Dify database, counted in SQL: the judge of what the sidecar says of the same rows.

It shares no code with the package that it judges, so never import `monitor.normalise` here. Every function takes a
connection to a database that has Dify's tables, and looks at the rows as they stand.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import psycopg

__all__ = [
    "Cost",
    "Outcome",
    "Tokens",
    "ToolCalls",
    "agent_node_tool_calls",
    "agent_retrievals",
    "agent_tool_calls",
    "cost",
    "feedback",
    "messages",
    "node_rows",
    "node_steps",
    "node_tool_calls",
    "retrieval_hits",
    "runs",
    "thoughts",
    "tokens",
    "tool_calls",
    "turn_ids",
]

Connection = psycopg.Connection[Any]
Outcome = Literal["succeeded", "failed", "stopped", "unknown"]
ToolCalls = Counter[tuple[str, str, str]]
"""How often (app id, tool name, outcome)."""


class Tokens(NamedTuple):
    """Tokens of model calls; `unsplit` where only the sum is kept."""

    input: int = 0
    output: int = 0
    unsplit: int = 0


Cost = dict[tuple[str, str], Decimal]
"""Money by (app id, currency); what cost nothing is left out."""

# A node that Dify retried has several rows up to 1.8: they share node_execution_id, and the last one counts.
_STEPS = """
    SELECT DISTINCT ON (workflow_run_id, coalesce(node_execution_id, id::text)) *
    FROM workflow_node_executions
    WHERE workflow_run_id IS NOT NULL
    ORDER BY workflow_run_id, coalesce(node_execution_id, id::text), index DESC, created_at DESC, id
"""

_NODE_TOOL_CALLS = f"""
    SELECT step.app_id::text, node.graph #>> '{{data,tool_name}}', step.status, step.error, run.status
    FROM ({_STEPS}) step
    JOIN workflow_runs run ON run.id = step.workflow_run_id
    JOIN LATERAL (
        SELECT graph FROM json_array_elements(run.graph::json -> 'nodes') AS each (graph)
        WHERE graph ->> 'id' = step.node_id
    ) node ON true
    WHERE step.node_type = 'tool'
"""

_THOUGHTS = """
    SELECT app.id::text, thought.tool, thought.tool_meta_str
    FROM message_agent_thoughts thought
    JOIN messages message ON message.id = thought.message_id
    JOIN apps app ON app.id = message.app_id
    WHERE coalesce(thought.tool, '') <> ''
"""

_AGENT_NODE_CALLS = f"""
    SELECT step.app_id::text, log #>> '{{data,output,tool_call_name}}', log ->> 'label', log ->> 'status',
           log #>> '{{data,output,tool_response}}'
    FROM ({_STEPS}) step
    CROSS JOIN LATERAL json_array_elements(
        coalesce(step.execution_metadata::json -> 'agent_log', '[]')
    ) AS each (log)
    WHERE step.node_type = 'agent' AND log ->> 'label' LIKE 'CALL %'
"""

# One row for each place where tokens and money are counted once: the model call itself. Containers only repeat their
# children, tool nodes what a called workflow spent, and a chatflow's message and run what their nodes spent. An agent's
# message repeats its thoughts, unless they kept nothing (one recorded turn of 0.15): then only the message knows.
_CALLS = f"""
    SELECT app.id::text AS app_id, message.message_tokens AS input, message.answer_tokens AS output, 0 AS unsplit,
           message.total_price AS price, message.currency AS currency
    FROM messages message JOIN apps app ON app.id = message.app_id
    WHERE app.mode IN ('chat', 'completion')
  UNION ALL
    SELECT app.id::text, thought.message_token, thought.answer_token, 0, thought.total_price, thought.currency
    FROM message_agent_thoughts thought
    JOIN messages message ON message.id = thought.message_id
    JOIN apps app ON app.id = message.app_id
    WHERE app.mode = 'agent-chat'
  UNION ALL
    SELECT app.id::text, message.message_tokens, message.answer_tokens, 0, message.total_price, message.currency
    FROM messages message JOIN apps app ON app.id = message.app_id
    WHERE app.mode = 'agent-chat' AND NOT EXISTS (
        SELECT FROM message_agent_thoughts thought
        WHERE thought.message_id = message.id
          AND (thought.message_token > 0 OR thought.answer_token > 0 OR thought.total_price > 0)
    )
  UNION ALL
    SELECT step.app_id::text, used.input, used.output,
           CASE WHEN used.input IS NULL OR used.output IS NULL
                THEN (step.execution_metadata::json ->> 'total_tokens')::bigint END,
           (step.execution_metadata::json ->> 'total_price')::numeric, step.execution_metadata::json ->> 'currency'
    FROM ({_STEPS}) step
    CROSS JOIN LATERAL (
        SELECT (usage ->> 'prompt_tokens')::bigint AS input, (usage ->> 'completion_tokens')::bigint AS output
        FROM (SELECT coalesce(step.outputs::json -> 'usage', step.process_data::json -> 'usage') AS usage) found
    ) used
    WHERE step.node_type IN ('llm', 'agent', 'question-classifier', 'parameter-extractor')
"""

_NODE_HITS = f"""
    SELECT step.app_id::text, hit #>> '{{metadata,dataset_id}}', hit #>> '{{metadata,document_id}}',
           hit #>> '{{metadata,segment_id}}'
    FROM ({_STEPS}) step
    CROSS JOIN LATERAL json_array_elements(step.outputs::json -> 'result') AS each (hit)
    WHERE step.node_type = 'knowledge-retrieval' AND step.status = 'succeeded'
"""

_MESSAGE_HITS = """
    SELECT message.app_id::text, hit ->> 'dataset_id', hit ->> 'document_id', hit ->> 'segment_id'
    FROM messages message JOIN apps app ON app.id = message.app_id AND app.mode IN ('chat', 'completion')
    CROSS JOIN LATERAL json_array_elements(
        coalesce(nullif(message.message_metadata, '')::json -> 'retriever_resources', '[]')
    ) AS each (hit)
  UNION ALL
    SELECT message.app_id::text, kept.dataset_id::text, kept.document_id::text, kept.segment_id::text
    FROM dataset_retriever_resources kept JOIN messages message ON message.id = kept.message_id
    JOIN apps app ON app.id = message.app_id AND app.mode IN ('chat', 'completion')
    WHERE json_array_length(
        coalesce(nullif(message.message_metadata, '')::json -> 'retriever_resources', '[]')
    ) = 0
"""

_TURNS = """
    SELECT id::text FROM workflow_runs
  UNION
    SELECT id::text FROM messages WHERE workflow_run_id IS NULL
"""

_STOPS = ("Stopped by user.", "Aborted: User requested stop", "Execution cancelled")
_AGENT_FAILURES = ("tool invoke error:", "there is not a tool named", "Maximum iteration limit")
_UNFINISHED = ("running", "paused", "scheduled")


def messages(connection: Connection) -> int:
    """How many messages there are, debugged ones too."""
    return _count(connection, "SELECT count(*) FROM messages")


def runs(connection: Connection) -> int:
    """How many workflow runs there are, debugged ones too."""
    return _count(connection, "SELECT count(*) FROM workflow_runs")


def node_rows(connection: Connection) -> int:
    """How many rows of node executions there are, attempts and debugged single nodes too."""
    return _count(connection, "SELECT count(*) FROM workflow_node_executions")


def thoughts(connection: Connection) -> int:
    """How many thoughts of agents there are: model calls of agent-chat apps."""
    return _count(connection, "SELECT count(*) FROM message_agent_thoughts")


def _count(connection: Connection, statement: Literal[str]) -> int:  # type: ignore[valid-type]
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def turn_ids(connection: Connection) -> set[str]:
    """The turns: every run, and every message that has none."""
    return {str(row[0]) for row in connection.execute(_TURNS)}


def node_steps(connection: Connection) -> dict[str, str]:
    """The steps that nodes are: id of the last row to Dify's word for its status; attempts are not steps."""
    return {str(row[0]): str(row[1]) for row in connection.execute(f"SELECT id, status FROM ({_STEPS}) step")}


def tool_calls(connection: Connection) -> ToolCalls:
    """Tool calls of agent-chat apps, of tool nodes and inside agent nodes together."""
    return agent_tool_calls(connection) + node_tool_calls(connection) + agent_node_tool_calls(connection)


def agent_tool_calls(connection: Connection) -> ToolCalls:
    """Tool calls of agent-chat apps.

    Dify keeps one result for each tool of a thought, so a tool called twice in it counts once. A tool without a
    result is in flight, or its turn broke off: it is not counted. Knowledge bases are not tools.
    """
    return Counter(
        (app, tool, "failed" if result["error"] else "succeeded")
        for app, tool, result in _agent_results(connection)
        if not _is_dataset(tool)
    )


def agent_retrievals(connection: Connection) -> Counter[tuple[str, str]]:
    """How often an agent-chat app (id) asked a knowledge base (id)."""
    return Counter(
        (app, tool.removeprefix("dataset_").replace("_", "-"))
        for app, tool, _ in _agent_results(connection)
        if _is_dataset(tool)
    )


def _agent_results(connection: Connection) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for app, tools, meta in connection.execute(_THOUGHTS):
        results = json.loads(meta or "{}")
        names = dict.fromkeys(name for name in tools.split(";") if name)
        found += [(app, name, results[name]) for name in names if name in results]
    return found


def _is_dataset(tool: str) -> bool:
    return tool.startswith("dataset_") and len(tool) == len("dataset_") + 36


def node_tool_calls(connection: Connection) -> ToolCalls:
    """Tool calls of workflow nodes, by the tool's name in the graph; those in flight are not counted."""
    counts: ToolCalls = Counter()
    for app, tool, status, error, run_status in connection.execute(_NODE_TOOL_CALLS):
        if outcome := _node_outcome(status, error or "", run_status):
            counts[app, tool, outcome] += 1
    return counts


def agent_node_tool_calls(connection: Connection) -> ToolCalls:
    """Tool calls inside agent nodes, from their logs. The log calls a failed tool a success; its answer does not."""
    counts: ToolCalls = Counter()
    for app, name, label, status, response in connection.execute(_AGENT_NODE_CALLS):
        failed = status == "error" or (response or "").startswith(_AGENT_FAILURES)
        counts[app, name or label.removeprefix("CALL "), "failed" if failed else "succeeded"] += 1
    return counts


def _node_outcome(status: str, error: str, run_status: str) -> Outcome | None:
    if status == "succeeded":
        return "succeeded"
    if status == "stopped" or error in _STOPS or (status == "failed" and run_status == "stopped"):
        return "stopped"
    if status in ("failed", "exception"):
        return "failed"
    if run_status in _UNFINISHED:
        return None
    return "stopped" if run_status == "stopped" else "unknown"


def tokens(connection: Connection) -> dict[str, Tokens]:
    """Tokens by app id, each counted once, at the model call; apps without any are left out."""
    statement = f"""
        SELECT app_id, coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(unsplit), 0)
        FROM ({_CALLS}) call GROUP BY app_id
    """
    found = {str(app): Tokens(*map(int, sums)) for app, *sums in connection.execute(statement)}
    return {app: sums for app, sums in found.items() if any(sums)}


def cost(connection: Connection) -> Cost:
    """Money by app id and currency, counted where the tokens are."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for app, currency, price in connection.execute(f"SELECT app_id, currency, price FROM ({_CALLS}) call"):
        if price:
            sums[str(app), str(currency)] += price
    return dict(sums)


def feedback(connection: Connection) -> Counter[tuple[str, str, str]]:
    """Ratings that stand, by app id, rating and who gave it (user, admin)."""
    rows = connection.execute("SELECT app_id::text, rating, from_source FROM message_feedbacks")
    return Counter((app, rating, source) for app, rating, source in rows)


def retrieval_hits(connection: Connection) -> Counter[tuple[str, str, str, str]]:
    """Segments that searches found, by app id, dataset, document and segment.

    A chatflow's search is its node; a chat's or completion's stands in its message's metadata, up to 1.2 in a table.
    """
    found = Counter(tuple(map(str, row)) for row in connection.execute(_NODE_HITS))
    found.update(tuple(map(str, row)) for row in connection.execute(_MESSAGE_HITS))
    return Counter({(app, dataset, document, segment): n for (app, dataset, document, segment), n in found.items()})
