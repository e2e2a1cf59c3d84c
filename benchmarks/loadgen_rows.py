"""What the rows of the load generator are made of: columns, nouns, words, and the sheet that rows are written on.

The shapes are those of a recorded Dify 1.9 (tests/recordings/README.md). Used by the other parts of loadgen.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

__all__ = [
    "COLUMNS",
    "FACT",
    "INPUT_PRICE",
    "LEAD",
    "MODEL",
    "MODEL_ERRORS",
    "OUTPUT_PRICE",
    "PROVIDER",
    "QUESTIONS",
    "REPLIES",
    "SECOND",
    "STATES",
    "SYSTEM",
    "TOOL",
    "TOOL_ERRORS",
    "App",
    "Counts",
    "Dify",
    "Rows",
    "Sheet",
    "Turn",
    "Wish",
    "moment",
    "plain_json",
    "price",
    "since_epoch",
    "whole_second",
]

Rows = dict[str, list[tuple[Any, ...]]]
"""Table to rows, each with the columns that `COLUMNS` names."""

_COLUMNS = {
    "end_users": "id tenant_id app_id type is_anonymous session_id created_at updated_at",
    "conversations": (
        "id app_id app_model_config_id model_provider model_id mode name inputs introduction system_instruction "
        "status from_source from_end_user_id created_at updated_at invoke_from dialogue_count"
    ),
    "messages": (
        "id app_id model_provider model_id conversation_id inputs query message message_tokens message_unit_price "
        "answer answer_tokens answer_unit_price provider_response_latency total_price currency from_source "
        "from_end_user_id created_at updated_at workflow_run_id status error message_metadata invoke_from "
        "parent_message_id app_mode"
    ),
    "message_agent_thoughts": (
        "id message_id position thought tool tool_input observation message message_token message_unit_price answer "
        "answer_token answer_unit_price tokens total_price currency latency created_by_role created_by created_at "
        "message_files tool_labels_str tool_meta_str"
    ),
    "message_feedbacks": (
        "id app_id conversation_id message_id rating content from_source from_end_user_id created_at updated_at"
    ),
    "workflow_runs": (
        "id tenant_id app_id sequence_number workflow_id type triggered_from version graph inputs status outputs "
        "error elapsed_time total_tokens total_steps created_by_role created_by created_at finished_at "
        "exceptions_count"
    ),
    "workflow_node_executions": (
        "id tenant_id app_id workflow_id triggered_from workflow_run_id index node_id node_type title inputs "
        "process_data outputs status error elapsed_time execution_metadata created_at created_by_role created_by "
        "finished_at node_execution_id"
    ),
    "workflow_app_logs": (
        "id tenant_id app_id workflow_id workflow_run_id created_from created_by_role created_by created_at"
    ),
}
COLUMNS: Mapping[str, Sequence[str]] = {table: names.split() for table, names in _COLUMNS.items()}
"""Some Dify lacks `app_mode` or `sequence_number`: the loader leaves out what the database does not have."""

SECOND = 1_000_000
"""Times are whole microseconds since 1970 UTC."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Dify's columns have no time zone

PROVIDER, MODEL = "langgenius/openai_api_compatible/openai_api_compatible", "stub-gpt"
INPUT_PRICE, OUTPUT_PRICE = 0.0025, 0.01
"""US dollars for 1,000 tokens."""
TOOL = "query_order_status"
SYSTEM = "你是网店的客服，回答要简短、礼貌；涉及订单时先调用工具查询。"
QUESTIONS = {
    "order": (
        "订单 {order} 现在到哪一步了？", "帮忙看下 #{order} 的物流", "Has order {order} left the warehouse yet?",
        "{order} 这单怎么还没动静 😤", "#{order} 大概哪天能送到",
    ),
    "policy": ("下单之后几天发货？", "不合适可以退吗", "运费怎么算", "How long does delivery take?", "新疆能送吗"),
    "talk": ("早上好", "有人吗", "辛苦啦 🙏", "嗯嗯明白了", "周末有客服吗", "能开专票吗", "老客户有折扣吗", "hi there"),
}  # fmt: skip
"""By topic. An order's is answered with the tool, a policy's from the knowledge base."""
REPLIES = (
    "您好，在的 😊 请问想了解哪方面？",
    "收到，您的需求已经登记，稍后有同事跟进。",
    "Of course! We answer from 9:00 to 21:00 (UTC+8), weekends included.",
)
STATES = ("等待付款", "仓库拣货中", "已交给快递", "运输途中", "已签收")
FACT = "现货一般在付款后两天内寄出，预售款以页面上的日期为准；偏远地区多加三天。"
LEAD = "好的，我查一下。"
MODEL_ERRORS = tuple(
    '[openai_api_compatible] Error: req_id: {request} PluginInvokeError: {"args":{"description":"[models] Error: API '
    f'request failed with status code {code}: {{\\"error\\": {{\\"message\\": \\"{text}\\"}}}}"}},"error_type":'
    f'"InvokeError","message":"[models] Error: API request failed with status code {code}"}}'
    for code, text in ((500, "The upstream server failed"), (429, "Too many requests, slow down"))
)
TOOL_ERRORS = (
    "Reached maximum retries (3) for URL http://orders.example/orders/{order}/status",
    'Request failed with status code 404 and {"error": "no order {order}"}',
    "timed out",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made; the same wish on the same apps makes the same rows."""

    turns: int = 10_000
    """Messages and runs of workflow apps together."""
    seed: int = 1
    days: float = 30.0
    """Over how long a time before `end` they are spread."""
    end: datetime = datetime(2025, 10, 1)  # noqa: DTZ001 - UTC, as Dify writes it
    error_rate: float = 0.03
    """How often the model fails."""
    tool_failure_rate: float = 0.06
    """How often a turn's tool fails where one is called."""


@dataclass(frozen=True, slots=True)
class App:
    """An app that gets turns."""

    id: str
    tenant_id: str
    mode: str
    config_id: str | None = None
    workflow_id: str = ""
    version: str = ""
    nodes: frozenset[str] = frozenset()
    """Ids of its published workflow's nodes."""
    provider_id: str = ""
    """Of the tool that it calls."""


@dataclass(frozen=True, slots=True)
class Dify:
    """What stands around the turns."""

    apps: Sequence[App]
    dataset_id: str


@dataclass(slots=True)
class Counts:
    """How much was made."""

    turns: int = 0
    messages: int = 0
    runs: int = 0
    nodes: int = 0
    thoughts: int = 0
    tool_calls: int = 0
    """Of thoughts; a knowledge base that is asked as a tool is one too."""
    searches: int = 0
    """Of chats, each in one knowledge base."""
    ratings: int = 0

    @property
    def spans(self) -> int:
        """One for each turn, each of its steps (nodes, thoughts, tool calls of thoughts, searches), each rating."""
        return self.turns + self.nodes + self.thoughts + self.tool_calls + self.searches + self.ratings


@dataclass(slots=True)
class Turn:
    """One turn, as the dice fell."""

    app: App
    user: str
    conversation: str
    at: int
    topic: str
    query: str
    order: str
    state: str
    """Of the order."""
    model_error: str = ""
    tool_error: str = ""
    answer: str = ""
    tokens: tuple[int, int] = (0, 0)

    def found(self) -> dict[str, str]:
        """What the tool says of the order."""
        return {"order_id": self.order, "status": self.state, "carrier": "顺丰"}

    def prompt(self) -> list[dict[str, Any]]:
        """What the model was given."""
        return [
            {"role": "system", "text": SYSTEM, "files": []},
            {"role": "user", "text": self.query, "files": []},
        ]


@dataclass(slots=True)
class Sheet:
    """Where rows are written: the dice, the rows of this page, and how much was made."""

    dice: random.Random
    rows: Rows = field(default_factory=lambda: {table: [] for table in COLUMNS})
    counts: Counts = field(default_factory=Counts)

    def id(self) -> str:
        """A new UUID of version 4."""
        text = f"{self.dice.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def add(self, table: str, *values: Any) -> None:
        """One row."""
        self.rows[table].append(values)

    def torn_off(self) -> Rows:
        """The rows so far; a new page begins."""
        full, self.rows = self.rows, {table: [] for table in COLUMNS}
        return full


plain_json = json.JSONEncoder(ensure_ascii=False).encode
"""JSON as Dify writes it in most columns of messages; nodes and runs have escapes instead."""


def price(given: int, produced: int) -> str:
    """Dollars of a model call."""
    return f"{(given * INPUT_PRICE + produced * OUTPUT_PRICE) / 1000:.7f}"


def since_epoch(at: datetime) -> int:
    """Microseconds."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> str:
    """As PostgreSQL reads it."""
    return str(_EPOCH + timedelta(microseconds=at))


def whole_second(at: int) -> str:
    """Rounded as CURRENT_TIMESTAMP(0) is: up to half a second into the future."""
    return str(_EPOCH + timedelta(seconds=(at + SECOND // 2) // SECOND))
