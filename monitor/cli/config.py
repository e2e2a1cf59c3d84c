"""`monitor config`: check what is written before it is run, and a JSON Schema for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import yaml

from monitor.cli.options import config_option, load_config
from monitor.config import Loaded
from monitor.config.masking import masked
from monitor.config.schema import file_schema, written
from monitor.runtime.registry import KINDS, configs
from monitor.runtime.wiring import Plan, plan_house

__all__ = ["command", "effective"]


@click.group()
def command() -> None:
    """Check the configuration, or print its JSON Schema."""


@command.command()
@config_option
def check(config_file: Path | None) -> None:
    """Validate everything, connect to nothing, and print what is in force, without secrets.

    But for the secrets, what it prints is a configuration file again, with every default written out.
    """
    loaded = load_config(config_file)
    plan = plan_house(loaded.settings, loaded.places)
    for line in _comments(loaded, plan):
        click.echo(f"# {line}")
    click.echo(yaml.safe_dump(effective(plan), sort_keys=False, allow_unicode=True), nl=False)


@command.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors that check and complete YAML."""
    click.echo(json.dumps(file_schema({section: configs(table) for section, table in KINDS.items()}), indent=2))


def effective(plan: Plan) -> dict[str, Any]:
    """The configuration in force as plain data; secrets are masked."""
    data = written(plan.settings)
    for section, group in plan.adapters.items():
        data[section] = [written(planned.config) for planned in group]
    shown: dict[str, Any] = masked(data)
    return shown


def _comments(loaded: Loaded, plan: Plan) -> list[str]:
    origin = loaded.places.file or "no file, only the environment"
    rules = ", ".join(rule.definition.name for rule in plan.rules) or "none"
    return [f"The configuration is right ({origin}).", f"Rules in force: {rules}.", *loaded.hints]
