"""What was played, counted from Dify's raw rows: the judge of what the pipeline made of them.

Shares no code with the pipeline, on purpose. It knows as much of Dify as the recording needs, and no more.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from monitor.demo.recording import Recording, Row
from monitor.demo.world import World

__all__ = ["Tally", "Truth", "What", "summed", "truth_of"]

What = Literal["turns", "tool calls", "failed tool calls", "tokens", "cost"]

Tally = Mapping[tuple[str, What], Decimal]
"""How much of what, by app id. Costs of all currencies together: only good for comparing."""

_Counted = Iterable[tuple[str, What, Decimal]]
_MODEL_NODES = frozenset({"llm", "agent", "question-classifier", "parameter-extractor"})
_ONE = Decimal(1)


class Truth(NamedTuple):
    """What a recording must lead to."""

    tally: Tally
    turn_ids: frozenset[str]
    spans: int


def truth_of(recording: Recording) -> Truth:
    """Count the rows that are there when the recording is over."""
    world = World()
    for commit in recording.commits:
        world.apply(commit)
    return _Rows(world).truth()


def summed(counted: _Counted) -> Tally:
    """All of it together."""
    sums: defaultdict[tuple[str, What], Decimal] = defaultdict(Decimal)
    for app_id, what, amount in counted:
        sums[app_id, what] += amount
    return dict(sums)


class _Rows:
    """The rows that are counted."""

    def __init__(self, world: World) -> None:
        self._messages = _rows(world, "messages")
        self._runs = _rows(world, "workflow_runs")
        self._nodes = _rows(world, "workflow_node_executions")
        self._thoughts = _rows(world, "message_agent_thoughts")
        self._apps = {_text(message, "id"): _text(message, "app_id") for message in self._messages}

    def truth(self) -> Truth:
        turns = [*self._runs, *(row for row in self._messages if not row.get("workflow_run_id"))]
        counted: list[tuple[str, What, Decimal]] = [(_text(turn, "app_id"), "turns", _ONE) for turn in turns]
        results = list(self._results())
        return Truth(
            tally=summed([*counted, *self._calls(), *self._spent()]),
            turn_ids=frozenset(_text(turn, "id") for turn in turns),
            spans=len(turns) + len(self._nodes) + len(self._thoughts) + len(results),
        )

    def _results(self) -> Iterator[tuple[str, str, Any]]:
        """App, name and result of what agents called; Dify keeps one result for each name in a thought."""
        for thought in self._thoughts:
            for name, result in _json(thought, "tool_meta_str").items():
                yield self._app(thought), name, result

    def _calls(self) -> Iterator[tuple[str, What, Decimal]]:
        calls = [(app_id, bool(result["error"])) for app_id, name, result in self._results() if not _is_dataset(name)]
        tools = (node for node in self._nodes if node.get("node_type") == "tool")
        calls += [(_text(node, "app_id"), node.get("status") != "succeeded") for node in tools]
        for app_id, failed in calls:
            yield app_id, "tool calls", _ONE
            yield app_id, "failed tool calls", _ONE * failed

    def _spent(self) -> Iterator[tuple[str, What, Decimal]]:
        """Each model call once, where it was made."""
        for thought in self._thoughts:
            yield self._app(thought), "tokens", Decimal(thought.get("tokens") or 0)
            yield self._app(thought), "cost", Decimal(thought.get("total_price") or 0)
        for node in self._nodes:
            if node.get("node_type") in _MODEL_NODES:
                used = _json(node, "execution_metadata")
                yield _text(node, "app_id"), "tokens", Decimal(used.get("total_tokens", 0))
                yield _text(node, "app_id"), "cost", Decimal(used.get("total_price", 0))

    def _app(self, thought: Row) -> str:
        return self._apps[_text(thought, "message_id")]


def _rows(world: World, table: str) -> list[Row]:
    return list(world.tables.get(table, {}).values())


def _is_dataset(name: str) -> bool:
    return name.startswith("dataset_")


def _text(row: Row, column: str) -> str:
    return row.get(column) or ""


def _json(row: Row, column: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(_text(row, column) or "{}")
    return value
