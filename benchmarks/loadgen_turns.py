"""Conversations with their messages, agents' thoughts, users and feedback: the order in which the dice fall.

Part of loadgen; `Generator` is what it and the tests use.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate

from benchmarks.loadgen_rows import (
    FACT,
    INPUT_PRICE,
    LEAD,
    MODEL,
    MODEL_ERRORS,
    OUTPUT_PRICE,
    PROVIDER,
    QUESTIONS,
    REPLIES,
    SECOND,
    STATES,
    TOOL,
    TOOL_ERRORS,
    App,
    Counts,
    Dify,
    Rows,
    Sheet,
    Turn,
    Wish,
    moment,
    plain_json,
    price,
    since_epoch,
    whole_second,
)
from benchmarks.loadgen_runs import Runs

__all__ = ["Generator"]

_MODES = {"agent-chat": 0.45, "advanced-chat": 0.30, "chat": 0.20, "completion": 0.05}
"""Share of the conversations. A completion app's has one turn, the others three on average."""
_RUN_SHARE = 0.15
"""Workflow runs to a conversation."""
_TOPICS = {"order": 0.40, "policy": 0.25, "talk": 0.35}
_TOPIC_NAMES, _TOPIC_WEIGHTS = tuple(_TOPICS), tuple(accumulate(_TOPICS.values()))
_SEARCHING_MODES = frozenset({"chat", "completion"})
"""Whose messages keep what was found, and no other row does."""
_CITED_TOPIC = "policy"
_FEEDBACK_SHARE, _LONG_SHARE, _TRIES_AGAIN_SHARE = 0.03, 0.02, 0.30
_PAGE_TURNS = 2_000
_NO_PARENT = "00000000-0000-0000-0000-000000000000"
_Call = tuple[str, str, str, str, str]
"""A thought's tool, its input, what it gave, its labels and its facts."""
_NO_CALL: _Call = ("", "", "", "{}", "{}")


class Generator:
    """Makes the rows of a wish, page by page; `counts` tells what was made so far. Raises ValueError without apps."""

    def __init__(self, dify: Dify, wish: Wish) -> None:
        self._wish, self._dataset_id = wish, dify.dataset_id
        self._metadata = {topic: _metadata(dify.dataset_id, cited=topic == _CITED_TOPIC) for topic in ("", *_TOPICS)}
        self._dice = random.Random(wish.seed)
        self._sheet = Sheet(self._dice)
        self._runs = Runs(self._sheet)
        self._apps = {mode: _fitting(dify.apps, mode) for mode in (*_MODES, "workflow")}
        self._modes = [mode for mode in _MODES if self._apps[mode]]
        if not self._modes:
            raise ValueError("the database has no app that could have messages")
        end = since_epoch(wish.end)
        self._between = end - int(wish.days * 86_400 * SECOND), end
        self._users: dict[str, list[str]] = {}

    @property
    def counts(self) -> Counts:
        """What was made so far."""
        return self._sheet.counts

    def pages(self, page_turns: int = _PAGE_TURNS) -> Iterator[Rows]:
        """All rows, about so many turns at a time."""
        due = page_turns
        while self._left():
            self._conversation()
            if self.counts.turns >= due or not self._left():
                due = self.counts.turns + page_turns
                yield self._sheet.torn_off()

    def _left(self) -> int:
        return self._wish.turns - self.counts.turns

    # -- conversations

    def _conversation(self) -> None:
        dice = self._dice
        mode = dice.choices(self._modes, [_MODES[mode] for mode in self._modes])[0]
        app = dice.choice(self._apps[mode])
        user, row_id, began = self._user(app), self._sheet.id(), int(dice.uniform(*self._between))
        length = 1 if mode == "completion" else min(self._left(), 1 + int(dice.expovariate(1 / 2.5)))
        at, parent, first = began, _NO_PARENT, ""
        for _ in range(length):
            turn = self._turn(app, user, row_id, at)
            first = first or turn.query
            parent, ended = self._message(turn, parent)
            at = ended + 5 * SECOND + int(dice.expovariate(1 / 40) * SECOND)
        self._conversation_row(turn, f"咨询：{first[:15]}", began, length)
        if self._apps["workflow"] and self._left() and dice.random() < _RUN_SHARE:
            app = dice.choice(self._apps["workflow"])
            self._runs.workflow(self._turn(app, self._user(app), "", began, topic="order"))

    def _conversation_row(self, last: Turn, name: str, began: int, length: int) -> None:
        app = last.app
        of_flow = app.mode == "advanced-chat"
        self._sheet.add(
            "conversations", last.conversation, app.id, None if of_flow else app.config_id,
            None if of_flow else PROVIDER, None if of_flow else MODEL, app.mode, name, "{}", "", "", "normal", "api",
            last.user, whole_second(began), whole_second(last.at), "service-api",
            0 if app.mode == "completion" else length,
        )  # fmt: skip

    def _user(self, app: App) -> str:
        if app.id not in self._users:
            many = max(5, min(20_000, self._wish.turns // 50))
            self._users[app.id] = [self._new_user(app) for _ in range(many)]
        return self._dice.choice(self._users[app.id])

    def _new_user(self, app: App) -> str:
        row_id, since = self._sheet.id(), whole_second(self._between[0])
        session = f"load-{self._dice.randrange(10**9)}"
        self._sheet.add("end_users", row_id, app.tenant_id, app.id, "service_api", False, session, since, since)
        return row_id

    def _turn(self, app: App, user: str, conversation: str, at: int, topic: str = "") -> Turn:
        dice, wish = self._dice, self._wish
        topic = topic or dice.choices(_TOPIC_NAMES, cum_weights=_TOPIC_WEIGHTS)[0]
        order, question = str(dice.randrange(10_000, 100_000)), dice.choice(QUESTIONS[topic])
        turn = Turn(app, user, conversation, at, topic, question.format(order=order), order, dice.choice(STATES))
        if dice.random() < wish.tool_failure_rate and topic == "order":
            turn.tool_error = dice.choice(TOOL_ERRORS).replace("{order}", order)
        if dice.random() < wish.error_rate:
            turn.model_error = dice.choice(MODEL_ERRORS).replace("{request}", self._sheet.id()[:8])
        else:
            turn.answer = self._answer(turn)
            turn.tokens = 120 + 2 * len(turn.query) + dice.randrange(400), 20 + dice.randrange(200)
        return turn

    def _answer(self, turn: Turn) -> str:
        if turn.topic == "policy":
            text = f"资料里是这样写的：{FACT}"
        elif turn.topic == "talk":
            text = self._dice.choice(REPLIES)
        elif turn.tool_error:
            text = f"抱歉，暂时查不到订单 #{turn.order}，请过几分钟再试。"
        else:
            text = f"订单 #{turn.order} 目前{turn.state}，有变化会短信通知您 📦"
        long = self._dice.random() < _LONG_SHARE
        return text + "\n" + "补充说明：" * self._dice.randrange(50, 2_000) if long else text

    # -- messages

    def _message(self, turn: Turn, parent: str) -> tuple[str, int]:
        """A message and all that hangs on it: its id, and when it was over."""
        row_id, mode = self._sheet.id(), turn.app.mode
        run_id, ended, error = None, 0, turn.model_error
        if mode == "advanced-chat":
            run = self._runs.chatflow(turn)
            run_id, ended, error = run.id, run.ended, run.error and f"Run failed: {run.error}"
        else:
            ended = self._thoughts(turn, row_id) if mode == "agent-chat" else turn.at + self._thinking()
        parent_id = None if mode == "completion" else parent
        self._message_row(turn, row_id, parent_id=parent_id, run_id=run_id, ended=ended, error=error)
        if self._dice.random() < _FEEDBACK_SHARE:
            self._feedback_row(turn, row_id, whole_second(ended + 30 * SECOND))
        self.counts.messages += 1
        self.counts.turns += 1
        return row_id, ended

    def _message_row(
        self, turn: Turn, row_id: str, *, parent_id: str | None, run_id: str | None, ended: int, error: str
    ) -> None:
        app, created = turn.app, whole_second(turn.at)
        called = not error and run_id is None
        self.counts.searches += called and app.mode in _SEARCHING_MODES and turn.topic == _CITED_TOPIC
        tokens, prices = (turn.tokens, (INPUT_PRICE, OUTPUT_PRICE)) if called else ((0, 0), (0, 0))
        query, inputs = turn.query, "{}"
        if app.mode == "completion":
            query, inputs = "", json.dumps({"query": turn.query})
        self._sheet.add(
            "messages", row_id, app.id, None if run_id else PROVIDER, None if run_id else MODEL, turn.conversation,
            inputs, query, json.dumps(turn.prompt()) if called else '""', tokens[0], prices[0],
            "" if error else turn.answer, tokens[1], prices[1], 0 if error else (ended - turn.at) / SECOND,
            price(*tokens), "USD", "api", turn.user, created, created if error else moment(ended), run_id,
            "error" if error else "normal", error or None, None if error else self._kept(turn), "service-api",
            parent_id, app.mode,
        )  # fmt: skip

    def _kept(self, turn: Turn) -> str:
        """What a message keeps of searches; an agent's keeps none, they stand in its thoughts."""
        return self._metadata["" if turn.app.mode == "agent-chat" else turn.topic]

    def _feedback_row(self, turn: Turn, message_id: str, at: str) -> None:
        self.counts.ratings += 1
        rating = self._dice.choice(("like", "like", "dislike"))
        words = self._dice.choice((None, "有帮助", "答非所问", "👍"))
        self._sheet.add(
            "message_feedbacks", self._sheet.id(), turn.app.id, turn.conversation, message_id, rating, words, "user",
            turn.user, at, at,
        )  # fmt: skip

    # -- thoughts

    def _thoughts(self, turn: Turn, message_id: str) -> int:
        """The thoughts of an agent's message; when the last one was over."""
        calls, at = self._calls(turn), turn.at + SECOND // 20
        text, used = LEAD if turn.topic == "order" else "", (turn.tokens[0] // (calls + 1), 12)
        for position in range(1, calls + 1):
            took_s = self._dice.uniform(3.7, 4.7) if turn.tool_error else self._dice.uniform(0.02, 0.22)
            self._thought_row(turn, (message_id, position, at), text, used, self._call(turn, round(took_s, 6)))
            at += int((took_s + 0.1) * SECOND)
        self._thought_row(turn, (message_id, calls + 1, at), turn.answer, turn.tokens, _NO_CALL)
        self.counts.tool_calls += calls
        return at + self._thinking()

    def _calls(self, turn: Turn) -> int:
        """How often the agent calls its tool; it tries again only where the tool failed."""
        if turn.topic == "talk" or turn.model_error:
            return 0
        again = turn.tool_error and self._dice.random() < _TRIES_AGAIN_SHARE
        return self._dice.randrange(2, 7) if again else 1

    def _thinking(self) -> int:
        return int((0.3 + self._dice.expovariate(1 / 1.2)) * SECOND)

    def _thought_row(
        self, turn: Turn, place: tuple[str, int, int], text: str, tokens: tuple[int, int], call: _Call
    ) -> None:
        (message_id, position, at), (tool, given, seen, labels, meta) = place, call
        prices = (INPUT_PRICE, OUTPUT_PRICE) if any(tokens) else (0, 0)
        self._sheet.add(
            "message_agent_thoughts", self._sheet.id(), message_id, position, text, tool, given, seen, "", tokens[0],
            prices[0], text, tokens[1], prices[1], sum(tokens), price(*tokens), "USD", 0, "account", turn.user,
            moment(at), "", labels, meta,
        )  # fmt: skip
        self.counts.thoughts += 1

    def _call(self, turn: Turn, took_s: float) -> _Call:
        if turn.topic == "policy":
            tool, given, seen = f"dataset_{self._dataset_id.replace('-', '_')}", {"query": turn.query}, FACT
            provider, kind = self._dataset_id, "dataset-retrieval"
        else:
            tool, given, provider, kind = TOOL, {"order_id": turn.order}, turn.app.provider_id, "api"
            # 1.9 writes the answer of an API tool twice: as JSON and as text.
            seen = f"tool invoke error: {turn.tool_error}" if turn.tool_error else plain_json(turn.found()) * 2
        config: dict[str, object] = {
            "tool_name": tool, "tool_provider": provider, "tool_provider_type": kind, "tool_parameters": {},
            "tool_icon": None,
        }  # fmt: skip
        facts = {"time_cost": took_s, "error": turn.tool_error or None, "tool_config": config}
        labels = plain_json({tool: {"en_US": tool, "zh_Hans": tool}})
        return tool, plain_json({tool: given}), plain_json({tool: seen}), labels, json.dumps({tool: facts})


def _fitting(apps: Sequence[App], mode: str) -> list[App]:
    """The apps of a mode; those whose workflow has a tool where there are some, as the made runs call one."""
    found = [app for app in apps if app.mode == mode]
    return [app for app in found if "tool" in app.nodes] or found


def _metadata(dataset_id: str, *, cited: bool) -> str:
    resource = {
        "position": 1, "dataset_id": dataset_id, "dataset_name": "客服知识库", "document_id": dataset_id,
        "document_name": "发货说明.txt", "data_source_type": "upload_file", "segment_id": dataset_id,
        "retriever_from": "api", "score": 0.0, "hit_count": None, "word_count": None, "segment_position": None,
        "index_node_hash": None, "content": FACT, "page": None, "doc_metadata": None, "title": None,
    }  # fmt: skip
    found = [resource] if cited else []
    return plain_json({"annotation_reply": None, "retriever_resources": found, "usage": None})
