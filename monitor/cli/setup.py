"""`monitor setup`: make another system ready for what a sink sends there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import SecretStr

from monitor.cli.options import config_option, load_config
from monitor.cli.printing import print_json
from monitor.cli.setup_kibana import kibana
from monitor.cli.setup_sinks import chosen_sinks, given_credentials

if TYPE_CHECKING:
    from monitor.sinks.elasticsearch import Config
    from monitor.sinks.elasticsearch.connection import Connection

__all__ = ["command"]

_KEY, _USER, _PASSWORD = "ELASTICSEARCH_SETUP_API_KEY", "ELASTICSEARCH_SETUP_USER", "ELASTICSEARCH_SETUP_PASSWORD"
_WOULD = {"create": "would create", "update": "would update", "keep": "unchanged"}


@click.group()
def command() -> None:
    """Make another system ready for what a sink sends there."""


command.add_command(kibana)


@command.command(
    epilog="\b\nExit codes:\n"
    "  0    all is there, or is now\n"
    "  1    the servers can't be reached, or refuse\n"
    "  2    the configuration or the command line is wrong\n"
    "\b\nSuch as:\n"
    "  monitor setup elasticsearch --dry-run\n"
    "  ELASTICSEARCH_SETUP_API_KEY=... monitor setup elasticsearch"
)
@config_option
@click.option("--sink", metavar="NAME", help="Of this sink alone. Default: of every elasticsearch sink.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--print", "as_print", is_flag=True, help="Print all requests as JSON, and connect to nothing.")
def elasticsearch(config_file: Path | None, sink: str | None, dry_run: bool, as_print: bool) -> None:
    """Install lifecycle policy and templates for the elasticsearch sinks of the configuration.

    What is there and the same is left alone, so it can be run again at any time; do so after an update of monitor and
    after changes of prefix, shards, replicas, retention and content_index. No document is touched.

    This needs more rights than the sink has. Give them for this one call by the variables ELASTICSEARCH_SETUP_API_KEY,
    or ELASTICSEARCH_SETUP_USER and ELASTICSEARCH_SETUP_PASSWORD; without them the sink's own credentials are used. With
    --print, `setup_role` and `sink_role` are the least that either needs.
    """
    if dry_run and as_print:
        raise click.UsageError("--dry-run and --print do not go together.")
    configs = chosen_sinks(load_config(config_file), sink)
    if as_print:
        from monitor.sinks.elasticsearch.setup import printed  # noqa: PLC0415 - the client only where it is used

        print_json([{"sink": config.label, **printed(config)} for config in configs])
        return
    for config in configs:
        for line in _set_up(_with_rights(config, os.environ), dry_run=dry_run):
            click.echo(line)


def _with_rights(config: Config, environ: Mapping[str, str]) -> Config:
    """The sink's settings with the credentials of whoever sets up, where they are given. Raises ConfigError."""
    key, user, password = given_credentials(environ, _KEY, _USER, _PASSWORD)
    if not (key or user):
        return config
    given: dict[str, Any] = {"api_key": None, "username": None, "password": None, "bearer_token": None}
    given |= {"api_key": SecretStr(key)} if key else {"username": user, "password": SecretStr(password)}
    return config.model_copy(update=given)


def _set_up(config: Config, *, dry_run: bool) -> Iterator[str]:
    """What is done, line by line."""
    from monitor.sinks.elasticsearch.setup import connected  # noqa: PLC0415

    connection = connected(config)
    try:
        yield from _steps(connection, config, dry_run=dry_run)
    finally:
        connection.close()


def _steps(connection: Connection, config: Config, *, dry_run: bool) -> Iterator[str]:
    from monitor.sinks.elasticsearch.setup import apply, plan  # noqa: PLC0415

    steps = plan(connection, config)
    if dry_run:
        for step in steps:
            yield f"{_WOULD[step.action]:13}  {step.resource.kind:9}  {step.resource.name}"
    else:
        yield from apply(connection, config, steps)
