"""The role of docs/howto/database-role.md, made as the page says: it can read all that is needed, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.docs.pages import ROOT, blocks
from tests.support.sidecar import Sidecar

_ROLE = f"monitor_test_{os.getpid()}_role"
"""Roles belong to the whole server, which may be somebody's own: never the name that the page has."""
_PASSWORD = "change-me"


@pytest.fixture(params=["1.9", "0.15"])
def database(request, fresh_database) -> Iterator[tuple[object, str]]:
    """A recorded Dify with the role in it, and the role's address."""
    made = fresh_database(request.param)
    with made.connection() as connection:
        connection.execute(_page().replace("dify_monitor", _ROLE))
        yield made, re.sub(r"//[^@/]*@?", f"//{_ROLE}:{_PASSWORD}@", made.url, count=1)
        _forget(connection)


def _page() -> str:
    """The page's SQL."""
    (block,) = [each for each in blocks("sql") if each.page == ROOT / "docs/howto/database-role.md"]
    return block.text


def test_no_column_is_granted_that_is_not_read():
    granted = {
        column for columns in re.findall(r"SELECT \(([^)]*)\)", _page()) for column in re.findall(r"\w+", columns)
    }
    statements = (ROOT / "monitor/sources/dify_database/postgres.sql").read_text()
    assert [column for column in sorted(granted) if not re.search(rf"\b{column}\b", statements)] == []


def _forget(connection: psycopg.Connection) -> None:
    role = sql.Identifier(_ROLE)
    connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
    connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_the_role_can_read_what_is_needed(database, tmp_path):
    made, url = database
    as_role, as_owner = Sidecar(tmp_path / "role", url), Sidecar(tmp_path / "owner", made.url)
    as_role.once()
    as_owner.once()
    assert as_role.spans().ids == as_owner.spans().ids
    assert len(as_role.spans()) > 100


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT graph FROM workflow_runs",
        "SELECT environment_variables FROM workflows",
        "SELECT * FROM app_model_configs",
        "SELECT * FROM accounts",
        "UPDATE messages SET answer = ''",
        "DELETE FROM messages",
        "CREATE TEMP TABLE x (y int)",
    ],
)
def test_the_role_can_do_nothing_else(database, statement):
    _, url = database
    with (
        psycopg.connect(url, autocommit=True) as connection,
        pytest.raises(
            (
                psycopg.errors.InsufficientPrivilege,
                psycopg.errors.ReadOnlySqlTransaction,
                psycopg.errors.UndefinedTable,
            )
        ),
    ):
        connection.execute(statement)
