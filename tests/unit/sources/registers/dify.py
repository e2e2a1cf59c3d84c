"""The small tables of a Dify under a test's hand, a memory like the journal's, and registers that read them.

`Small.ask` answers the statements of `registers.sql` over plain dictionaries; tests/integration/test_registers.py holds
the statements themselves against real tables.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from monitor.model import Event
from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, config_hash
from monitor.normalise.rows import AppConfig, AppRow, Definition
from monitor.sources.dify_database.registers import RegisterPage, Registers, Round
from tests.support.reading import pseudonym

__all__ = ["DAY_US", "Reader", "S", "Small", "StoredMemory", "names", "row_id", "uuid7"]

DAY_US = 1_795_500_000_000_000
S = 1_000_000
Row = dict[str, Any]


def row_id(kind: str, number: int) -> str:
    return f"{kind}0000000-0000-4000-8000-{number:012d}"


def uuid7(us: int, number: int) -> str:
    """An id that says when it was drawn."""
    digits = f"{us // 1000:012x}7000{0x8000:04x}{number:012x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class StoredMemory:
    """What a journal keeps for a source: keys in order, committed with a page."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        return {key: self.held[key] for key in keys if key in self.held}

    def between(self, first: str, last: str, limit: int) -> list[tuple[str, bytes]]:
        return [(key, self.held[key]) for key in sorted(self.held) if first <= key < last][:limit]

    def commit(self, page: RegisterPage) -> None:
        self.held.update(page.remember)
        for key in page.forget:
            self.held.pop(key, None)


class Small:
    """The tables. A table that is not there (`del dify.rows[...]`) can't be read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: Counter[str] = Counter()
        self.returned = 0
        """Rows that statements brought, all together."""
        self.rows: dict[str, dict[str, Row]] = {
            name: {}
            for name in (
                "apps", "messages", "workflow_runs", "conversations", "end_users", "message_feedbacks",
                "message_annotations", "app_model_configs", "workflows", "documents", "datasets", "tenants",
                "workflow_trigger_logs", "human_input_forms",
            )
        }  # fmt: skip
        for mode in ("chat", "advanced-chat", "workflow"):
            self.put("apps", mode, tenant="t", name=mode.title(), mode=mode, config_id="", workflow_id="")

    # -- writing

    def at(self, seconds: float | None = None) -> int:
        return DAY_US + round((self.now if seconds is None else seconds) * S)

    def put(self, table: str, name: str, /, **columns: Any) -> str:
        """Insert a row, or change one."""
        self.rows[table][name] = {**self.rows[table].get(name, {"id": name, "created": self.at()}), **columns}
        return name

    def message(self, number: int, app: str = "chat", run: str | None = None, conversation: str = "c") -> str:
        given = {"app": app, "run": run, "conversation": conversation, "end_user": "u"}
        self.put("end_users", "u", session="ann")
        return self.put("messages", row_id("a", number), **given)

    def feedback(self, number: int, message: str, rating: str = "like", **columns: Any) -> str:
        app = self.rows["messages"].get(message, {}).get("app", "chat")
        given = {"app": app, "message": message, "rating": rating, "content": None, "source": "user", "end_user": "u",
                 "account": None, "updated": self.at()}  # fmt: skip
        return self.put("message_feedbacks", row_id("f", number), **(given | columns))

    def delete(self, table: str, name: str) -> None:
        del self.rows[table][name]

    # -- Snapshot

    def now_us(self) -> int:
        return self.at()

    @contextmanager
    def apart(self) -> Iterator[None]:
        yield

    def apps(self) -> Mapping[str, AppRow]:
        rows = self.rows["apps"].values()
        return {
            row["id"]: AppRow(
                id=row["id"], tenant_id=row["tenant"], name=row["name"], mode=row["mode"], tenant_name="Workspace",
                config_id=row["config_id"], workflow_id=row["workflow_id"],
            )
            for row in rows
        }  # fmt: skip

    def definitions(self, ids: Collection[str]) -> dict[str, Definition]:
        rows = self._with_ids("workflows", ids)
        return {
            row["id"]: Definition(
                hash=config_hash({"graph": row["graph"], "features": "{}"}), created_us=row["created"]
            )
            for row in rows
        }

    def configs(self, ids: Collection[str]) -> dict[str, AppConfig]:
        return {
            row["id"]: AppConfig(hash=config_hash(row["columns"]), created_us=row["created"])
            for row in self._with_ids("app_model_configs", ids)
        }

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        self.asked[name] += 1
        found = self._answer(name, values)
        self.returned += len(found)
        return found

    def _answer(self, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        if name == "hidden_turns":
            return self._hidden_turns(**values)
        table, columns = _STATEMENTS[name]
        if table not in self.rows:
            return []
        if name.endswith("_slice"):
            rows = sorted((row for row in self.rows[table].values() if row["id"] > values["after"]), key=_id)
            return [columns(self, row) for row in rows[: values["limit"]]] or [(None,) * 9]
        if name.endswith("_states"):
            held = self.rows[table]
            return [columns(self, held[each]) if each in held else (each, None, None, None) for each in values["ids"]]
        return [columns(self, row) for row in self._with_ids(table, values["ids"])]

    def _with_ids(self, table: str, ids: Iterable[str]) -> list[Row]:
        return [self.rows[table][each] for each in ids if each in self.rows.get(table, {})]

    def _hidden_turns(self, ids: list[str], conversation: str, message: str, limit: int) -> list[tuple[Any, ...]]:
        keyed = sorted((row["conversation"], row["id"]) for row in self.rows["messages"].values())
        found = [key for key in keyed if key[0] in ids and key > (conversation, message)][:limit]
        rows = [self.rows["messages"][each] for _, each in found]
        return [(row["conversation"], row["id"], row["run"], row["app"], row["created"]) for row in rows]

    def before(self, table: str, row: Row) -> str | None:
        """The row of the same app that came before."""
        older = [
            (other["created"], other["id"])
            for other in self.rows[table].values()
            if other["app"] == row["app"] and not other.get("draft")
            and (other["created"], other["id"]) < (row["created"], row["id"])
        ]  # fmt: skip
        return max(older)[1] if older else None


def _id(row: Row) -> str:
    return str(row["id"])


def _mark(*parts: Any) -> str:
    return hashlib.md5("\x1f".join("" if part is None else str(part) for part in parts).encode()).hexdigest()


def _size(row: Row, *columns: str) -> int:
    return sum(len(row.get(column) or "") for column in columns)


def _changed(row: Row) -> int | None:
    return None if row.get("draft") else row.get("updated", row["created"])


_Columns = Callable[[Small, Row], tuple[Any, ...]]
_STATEMENTS: dict[str, tuple[str, _Columns]] = {
    "feedback_slice": (
        "message_feedbacks",
        lambda _, r: (r["id"], _mark(r["rating"], r["source"], r["end_user"], r["account"], r["content"]), _size(r, "content"), r["created"], r["updated"]),
    ),
    "feedback_states": (
        "message_feedbacks",
        lambda _, r: (r["id"], _mark(r["rating"], r["source"], r["end_user"], r["account"], r["content"]), _size(r, "content")),
    ),
    "feedbacks": (
        "message_feedbacks",
        lambda _, r: (r["id"], r["app"], "c", r["message"], r["rating"], r["content"], r["source"], r["end_user"], r["account"], r["created"], r["updated"]),
    ),
    "note_messages": (
        "messages",
        lambda _, r: (r["id"], r["app"], r["conversation"], r["run"], r["created"], "normal", 1.0, "openai", "gpt", "service-api", r["end_user"], None, r.get("tried")),
    ),
    "note_runs": (
        "workflow_runs",
        lambda _, r: (r["id"], "t", r["app"], r["workflow"], "v1", "chat", "app-run", "succeeded", r["created"], r["created"], "u"),
    ),
    "note_conversations": ("conversations", lambda _, r: (r["id"], r.get("config"), r.get("tried"))),
    "note_users": ("end_users", lambda _, r: (r["id"], r["session"])),
    "annotation_slice": (
        "message_annotations",
        lambda _, r: (r["id"], _mark(r["question"], r["answer"], r["account"], r["message"]), _size(r, "question", "answer")),
    ),
    "annotations": (
        "message_annotations",
        lambda _, r: (r["id"], r["app"], r["message"], r["question"], r["answer"], r["account"], r["created"], r["updated"]),
    ),
    "app_config_slice": ("app_model_configs", lambda _, r: (r["id"], _changed(r), r.get("size", 10))),
    "app_config_states": ("app_model_configs", lambda _, r: (r["id"], _changed(r), r.get("size", 10))),
    "app_configs": (
        "app_model_configs",
        lambda dify, r: (
            r["id"], r["app"], r["created"], _changed(r), "author", None, None, dify.before("app_model_configs", r),
            *(r["columns"].get(name) for name in APP_CONFIG_COLUMNS),
        ),
    ),
    "workflow_slice": ("workflows", lambda _, r: (r["id"], _changed(r), r.get("size", 10))),
    "workflow_states": ("workflows", lambda _, r: (r["id"], _changed(r), r.get("size", 10))),
    "workflow_versions": (
        "workflows",
        lambda dify, r: (
            r["id"], "t", r["app"], r.get("type", "workflow"), "v1", r["created"], _changed(r), "author", r.get("name"),
            r.get("comment"), dify.before("workflows", r), "{}", r["graph"],
        ),
    ),
    "document_slice": (
        "documents",
        lambda _, r: (r["id"], r["status"], r.get("paused", False), r["stage"], r.get("completed"), r.get("stopped"), r.get("paused_at")),
    ),
    "documents": ("documents", lambda _, r: (r["id"], "t", r["dataset"], r["name"], r.get("error"))),
    "dataset_names": ("datasets", lambda _, r: (r["id"], r["name"])),
    "dataset_states": ("datasets", lambda _, r: (r["id"], True)),
    "tenant_names": ("tenants", lambda _, r: (r["id"], r["name"])),
    "trigger_slice": ("workflow_trigger_logs", lambda _, r: (r["id"], r["status"], r["created"], r.get("size", 10))),
    "trigger_states": ("workflow_trigger_logs", lambda _, r: (r["id"], r["status"], r["created"], r.get("size", 10))),
    "triggers": (
        "workflow_trigger_logs",
        lambda _, r: (r["id"], "t", "workflow", "w", r.get("run"), "trigger-webhook", r["status"], r.get("data", "{}"), "{}", r.get("error"), r.get("retries", 0), r["created"], r["created"], r.get("finished")),
    ),
    "form_slice": ("human_input_forms", lambda _, r: (r["id"], r["status"], r["created"], r.get("size", 10))),
    "form_states": ("human_input_forms", lambda _, r: (r["id"], r["status"], r["created"], r.get("size", 10))),
    "forms": (
        "human_input_forms",
        lambda _, r: (r["id"], "t", "workflow", r.get("run", "r"), r.get("kind", "runtime"), "n1", r["status"], r.get("rendered", "Approve?"), r.get("action"), r.get("data"), None, "u", r["created"], r["updated"], r["created"] + 3600 * S, r.get("submitted")),
    ),
    "conversation_slice": ("conversations", lambda _, r: (r["id"], r["deleted"], r.get("updated", r["created"]))),
}  # fmt: skip


class Reader:
    """Reads the registers again and again from where they stood, and keeps what it was told."""

    def __init__(self, dify: Small, make_pseudonym: Callable[[str], str] = pseudonym) -> None:
        self.dify, self.memory = dify, StoredMemory()
        self.rounds: dict[str, Round] = {}
        self.told: list[Event] = []
        self.pages: list[list[Event]] = []
        self._pseudonym = make_pseudonym

    def page(self, *, lose: bool = False) -> RegisterPage:
        """One page; where it is lost, nothing of it is committed."""
        registers = Registers(self._pseudonym, structlog.get_logger(), "dify")
        page = registers.read(self.dify, self.memory, self.rounds, self.dify.now_us())  # type: ignore[arg-type]
        if not lose:
            self.memory.commit(page)
            self.rounds = page.rounds
            self.told += page.events
            self.pages.append(list(page.events))
        return page

    def read(self, after: float = 31.0) -> list[Event]:
        """Let so many seconds pass, and read as long as there is more; what was new."""
        self.dify.now += after
        before = len(self.told)
        for _ in range(1_000):
            if not self.page().more:
                return self.told[before:]
        raise AssertionError("the registers never come to their end")

    def settle(self) -> list[Event]:
        """Read for as many passes as slices can need."""
        return [event for _ in range(12) for event in self.read()]


def names(events: Iterable[Event]) -> list[str]:
    """The events' keys."""
    return [event.key for event in events]
