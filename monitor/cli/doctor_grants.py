"""`monitor doctor --grants`: the SQL of the role, for this Dify or, where it can't be asked, for any."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.options import load_config
from monitor.errors import Auth, Permanent, Retryable
from monitor.runtime.wiring import plan_house
from monitor.sources.dify_database import Config
from monitor.sources.dify_database.grants import DEFAULT_ROLE, portable, role_sql
from monitor.sources.dify_database.inquiry import Inquiry, tables_of

__all__ = ["print_grants"]

_HEAD = """\
-- A role that may read just what `monitor` reads, and nothing else. Choose a password in the first statement, and carry
-- it out as the owner of Dify's tables, in Dify's database; psql -v ON_ERROR_STOP=1 -f FILE does that."""
_FOR_ANY = "-- For any Dify from 0.15 on: it could not be asked what it has ({})."


def print_grants(config_file: Path | None, role: str | None) -> None:
    """Print it, once for each database. Says as a comment for which one it is. Raises ConfigError."""
    name = role or DEFAULT_ROLE
    databases = _databases(config_file)
    if not databases:
        _print(_FOR_ANY.format("no database is configured"), portable(name))
    for label, url in databases:
        _print(*_of_one(label, url, name))


def _databases(config_file: Path | None) -> list[tuple[str, str]]:
    """Label and URL of each database that is configured; none where nothing is configured at all."""
    loaded = load_config(config_file)
    if not loaded.settings.sources:
        return []
    planned = plan_house(loaded.settings, loaded.places).adapters["sources"]
    return [
        (each.config.label, each.config.url.get_secret_value()) for each in planned if isinstance(each.config, Config)
    ]


def _of_one(label: str, url: str, role: str) -> tuple[str, str]:
    tables = tables_of(url)
    try:
        inquiry = Inquiry(tables)
        server = inquiry.server()
    except (Auth, Permanent, Retryable) as exc:
        return _FOR_ANY.format(" ".join(str(exc).split())), portable(role)
    finally:
        tables.close()
    if not inquiry.probe.has("messages"):
        return _FOR_ANY.format(f"{server.role} sees no table of Dify's in database {server.database}"), portable(role)
    text = role_sql(inquiry.probe.columns, role, database=server.database, schema=server.schema or "public")
    return f"-- For source {label}: database {server.database}, with the tables that it has.", text


def _print(comment: str, sql: str) -> None:
    click.echo(f"{_HEAD}\n{comment}\n\n{sql}", nl=False)
