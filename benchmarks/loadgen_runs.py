"""Workflow runs and their node executions, for chatflows and for workflow apps. Part of loadgen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.loadgen_rows import FACT, MODEL, PROVIDER, SECOND, App, Sheet, Turn, moment, whole_second

__all__ = ["Run", "Runs"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a chatflow's message must know of its run."""

    id: str
    ended: int
    error: str


@dataclass(slots=True)
class _Node:
    """One node execution."""

    id: str
    type: str
    title: str
    lasts: int
    inputs: str = "{}"
    outputs: str = "{}"
    process: str = "{}"
    facts: str | None = None
    error: str = ""


class Runs:
    """Writes runs on a sheet."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet, self._dice = sheet, sheet.dice

    def chatflow(self, turn: Turn) -> Run:
        """The run of a chatflow's message; it ends at the first node that fails."""
        row_id, ending = self._sheet.id(), "1" if turn.topic == "order" else "2"
        given = {"sys.query": turn.query, "sys.dialogue_count": 1, "sys.conversation_id": turn.conversation}
        asked = json.dumps(self._inputs(turn.app, row_id) | given)
        query, found = (
            json.dumps({"query": turn.query}),
            json.dumps({"result": [FACT] if turn.topic == "policy" else []}),
        )
        answer = json.dumps({"answer": turn.answer, "files": []})
        nodes = [
            _Node("start", "start", "开始", self._short(), asked, asked),
            _Node("kb", "knowledge-retrieval", "知识检索", self._short(), query, found),
            *self._decision(turn),
            *([self._tool(turn)] if turn.topic == "order" else []),
            self._model(turn, f"llm{ending}"),
            _Node(f"ans{ending}", "answer", "回复", self._short(), outputs=answer),
        ]
        return self._written(turn, row_id, nodes, asked, answer)

    def workflow(self, turn: Turn) -> Run:
        """A run of a workflow app, with its line in the app's log."""
        row_id = self._sheet.id()
        asked = json.dumps({"order_id": turn.order} | self._inputs(turn.app, row_id))
        result = json.dumps({"summary": turn.answer, "raw": json.dumps(turn.found())})
        nodes = [
            _Node("start", "start", "开始", self._short(), asked, asked),
            *self._decision(turn),
            self._tool(turn),
            self._model(turn, "llm"),
            _Node("end", "end", "结束", self._short(), result, result),
        ]
        run = self._written(turn, row_id, nodes, asked, result)
        app = turn.app
        self._sheet.add(
            "workflow_app_logs", self._sheet.id(), app.tenant_id, app.id, app.workflow_id, row_id, "service-api",
            "end_user", turn.user, whole_second(run.ended),
        )  # fmt: skip
        self._sheet.counts.turns += 1
        return run

    # -- nodes

    def _short(self) -> int:
        return int(self._dice.uniform(0.02, 0.04) * SECOND)

    @staticmethod
    def _inputs(app: App, run_id: str) -> dict[str, Any]:
        return {
            "sys.files": [], "sys.user_id": "load", "sys.app_id": app.id, "sys.workflow_id": app.workflow_id,
            "sys.workflow_run_id": run_id,
        }  # fmt: skip

    def _decision(self, turn: Turn) -> tuple[_Node, _Node]:
        order = turn.order if turn.topic == "order" else ""
        query, extracted = json.dumps({"q": turn.query}), json.dumps({"order_id": order})
        test = {"actual_value": order, "expected_value": "", "comparison_operator": "not empty"}
        chosen = json.dumps({"result": bool(order), "selected_case_id": "true" if order else "false"})
        return (
            _Node("code", "code", "提取订单号", SECOND // 10, query, extracted),
            _Node("cond", "if-else", "有订单号？", self._short(), json.dumps({"conditions": [test]}), chosen),
        )

    def _tool(self, turn: Turn) -> _Node:
        if turn.tool_error:
            return _Node("tool", "tool", "查询订单", int(3.8 * SECOND), error=turn.tool_error)
        found, lasts = turn.found(), int(self._dice.uniform(0.05, 0.3) * SECOND)
        outputs = json.dumps({"text": json.dumps(found), "files": [], "json": [found]})
        info = {"provider_type": "api", "provider_id": turn.app.provider_id, "plugin_unique_identifier": None}
        given, facts = json.dumps({"order_id": turn.order}), json.dumps({"tool_info": info})
        return _Node("tool", "tool", "查询订单", lasts, given, outputs, facts=facts)

    def _model(self, turn: Turn, node_id: str) -> _Node:
        lasts_s = 0.3 + self._dice.expovariate(1.5)
        node = _Node(node_id, "llm", "LLM", int(lasts_s * SECOND), error=turn.model_error)
        if not turn.model_error:
            usage = _usage(100 + self._dice.randrange(500), 20 + self._dice.randrange(200), lasts_s)
            node.process, node.outputs = _model_texts(turn, json.dumps(usage))
            node.facts = json.dumps({name: usage[name] for name in ("total_tokens", "total_price", "currency")})
        return node

    # -- rows

    def _written(self, turn: Turn, row_id: str, nodes: list[_Node], asked: str, result: str) -> Run:
        at, error = turn.at, ""
        for node in nodes:
            self._node_row(turn, row_id, node, at)
            at += node.lasts
            if node.error:
                error = node.error
                break
        run = Run(row_id, at, error)
        self._run_row(turn, run, asked, result)
        self._sheet.counts.runs += 1
        return run

    def _run_row(self, turn: Turn, run: Run, asked: str, result: str) -> None:
        app = turn.app
        kind = "chat" if turn.conversation else "workflow"
        self._sheet.add(
            "workflow_runs", run.id, app.tenant_id, app.id, self._sheet.counts.runs + 1, app.workflow_id, kind, "app-run",
            app.version, "{}", asked, "failed" if run.error else "succeeded",
            None if run.error else result, run.error or None, (run.ended - turn.at) / SECOND, 0, 0,
            "end_user", turn.user, moment(turn.at), moment(run.ended), 0,
        )  # fmt: skip

    def _node_row(self, turn: Turn, run_id: str, node: _Node, at: int) -> None:
        app, row_id = turn.app, self._sheet.id()
        self._sheet.add(
            "workflow_node_executions", row_id, app.tenant_id, app.id, app.workflow_id, "workflow-run", run_id, 1, node.id,
            node.type, node.title, node.inputs, node.process, node.outputs,
            "failed" if node.error else "succeeded", node.error or None, node.lasts / SECOND, node.facts, moment(at),
            "end_user", turn.user, moment(at + node.lasts), row_id,
        )  # fmt: skip
        self._sheet.counts.nodes += 1


def _model_texts(turn: Turn, usage: str) -> tuple[str, str]:
    """What a model node processed and gave; both repeat the usage."""
    end = f'"usage": {usage}, "finish_reason": "stop"'
    process = f'{{"model_mode": "chat", "prompts": {json.dumps(turn.prompt())}, {end}, "model_provider": "{PROVIDER}", '
    outputs = f'{{"text": {json.dumps(turn.answer)}, "reasoning_content": "", {end}}}'
    return f'{process}"model_name": "{MODEL}"}}', outputs


def _usage(given: int, produced: int, lasts_s: float) -> dict[str, Any]:
    return {
        "prompt_tokens": given, "prompt_unit_price": "0.0025", "prompt_price_unit": "0.001",
        "prompt_price": f"{given * 25e-7:.7f}", "completion_tokens": produced, "completion_unit_price": "0.01",
        "completion_price_unit": "0.001", "completion_price": f"{produced * 1e-5:.5f}",
        "total_tokens": given + produced, "total_price": f"{given * 25e-7 + produced * 1e-5:.7f}", "currency": "USD",
        "latency": lasts_s,
    }  # fmt: skip
