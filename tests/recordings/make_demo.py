"""Makes `monitor/demo/turns.json.gz`, the turns that the demo shows: run `python -m tests.recordings.make_demo`.

The file is one JSON object: `version`, `lookups` (table to rows) and `commits`, in the format of the recorded changes:
`at_us`, `scenario`, `changes` of `table`, `op`, `row`. All times are relative: the first commit happens in the first
second of 1970, and whoever plays it adds what is missing to now. Scenarios that were recorded minutes apart follow
each other closely here; within a scenario, and within the six failures in a row, the pace is the recorded one.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.changes import Commit, load_changes, shift_row, shifted
from tests.support.recordings import Row, final_rows

VERSION = "1.9"
TARGET = Path(__file__).parents[2] / "monitor" / "demo" / "turns.json.gz"
STORY = (
    "agent/01_order_ok",  # an agent looks up an order
    "agent/02_policy_dataset",  # and answers from a knowledge base
    "workflow/01_ok_tool",  # a workflow with an iteration
    "chatflow/01_order_ok",  # a chatflow
    "agent/05_tool_500_consecutive_*",  # the order system is down: six failures in a row
    "webapp/agent",  # it is back
    "workflow/05_tool_500",  # and down again: a workflow fails
)
PAUSE_US = 2_000_000
SECOND_US = 1_000_000
MOST_BYTES = 60_000
KEPT = {
    "tenants": ("id", "name", "plan", "status", "created_at"),
    "apps": (
        *("id", "tenant_id", "name", "mode", "status", "app_model_config_id", "workflow_id"),
        *("created_at", "updated_at"),
    ),
    "app_model_configs": ("id", "app_id", "model", "pre_prompt", "agent_mode", "created_at", "updated_at"),
    "workflows": ("id", "tenant_id", "app_id", "type", "version", "graph", "created_at", "updated_at"),
    "end_users": ("id", "tenant_id", "app_id", "type", "session_id", "is_anonymous", "created_at", "updated_at"),
}
# The recorded HTTP node sends this made-up header; nothing that looks like a secret belongs in a package.
HEADER = "\\nX-Api-Secret:supersecret"


def story() -> list[Commit]:
    """The chosen commits, one scenario soon after the other, from time zero."""
    told: list[Commit] = []
    for pattern in STORY:
        chapter = load_changes(VERSION, pattern)
        begin_us = told[-1].at_us + PAUSE_US if told else SECOND_US
        by_us = (begin_us - chapter[0].at_us) // SECOND_US * SECOND_US  # whole: rounded times stay rounded
        told += shifted(map(without_ballast, chapter), by_us)
    return [commit for commit in told if commit.changes]


def without_ballast(commit: Commit) -> Commit:
    """Users stand among the lookups; a run repeats its workflow's graph, which nobody reads there."""
    changes = (change for change in commit.changes if change.table != "end_users")
    return replace(
        commit,
        changes=tuple(
            replace(change, row={name: clean(value) for name, value in change.row.items() if name != "graph"})
            for change in changes
        ),
    )


def lookups(commits: Sequence[Commit]) -> dict[str, list[Row]]:
    """The rows that the commits refer to and do not bring along, with the columns that a sidecar may read."""
    final = final_rows(VERSION, KEPT)
    used = {value for commit in commits for change in commit.changes for value in change.row.values()}
    apps = [app for app in final["apps"].values() if app["id"] in used]
    used |= {app[name] for app in apps for name in ("tenant_id", "app_model_config_id")}
    by_us = -load_changes(VERSION)[0].at_us // SECOND_US * SECOND_US
    return {
        table: [
            shift_row({name: clean(row[name]) for name in names}, by_us)
            for row in final[table].values()
            if row["id"] in used
        ]
        for table, names in KEPT.items()
    }


def clean(value: str | None) -> str | None:
    """The value without the made-up secret."""
    return value.replace(HEADER, "") if value else value


def as_json(commits: Sequence[Commit]) -> dict[str, Any]:
    """The file's object."""
    changes = [[{"table": c.table, "op": c.op, "row": c.row} for c in commit.changes] for commit in commits]
    return {
        "version": VERSION,
        "lookups": lookups(commits),
        "commits": [
            {"at_us": commit.at_us, "scenario": commit.scenario, "changes": each}
            for commit, each in zip(commits, changes, strict=True)
        ],
    }


def packed() -> bytes:
    """The file's bytes: the same recording gives the same."""
    text = json.dumps(as_json(story()), ensure_ascii=False, separators=(",", ":"))
    if "ecret" in text:
        raise ValueError("something in the demo looks like a secret")
    data = gzip.compress(text.encode(), 9, mtime=0)
    if len(data) > MOST_BYTES:
        raise ValueError(f"the demo has {len(data)} bytes; at most {MOST_BYTES} were meant")
    return data


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(packed())
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
