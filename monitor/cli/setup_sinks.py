"""Which sinks of a configuration `monitor setup` is for, and as whom it sets up. Called by its commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from monitor.config.problems import all_in_one, explain
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.config import Loaded
    from monitor.sinks.elasticsearch import Config

__all__ = ["chosen_sinks", "given_credentials"]

_TYPE = "elasticsearch"


def chosen_sinks(loaded: Loaded, name: str | None) -> Sequence[Config]:
    """The validated sinks: the one of this name, or all. Raises ConfigError."""
    configs = _configs(loaded)
    found = [config for config in configs if name in {None, config.label}]
    if found:
        return found
    if configs:
        known = ", ".join(config.label for config in configs)
        raise ConfigError("there is no elasticsearch sink of this name", value=name, remedy=f"There is {known}")
    remedy = "Add an entry under `sinks:`, such as {type: elasticsearch, nodes: [https://es:9200]}"
    raise ConfigError("there is no elasticsearch sink in the configuration", remedy=remedy)


def given_credentials(environ: Mapping[str, str], key: str, user: str, password: str) -> tuple[str, str, str]:
    """Of whoever sets up: a key, or user and password, by the names of their variables; all empty where none is given.

    Raises ConfigError for half of them, and for both.
    """
    found = environ.get(key, ""), environ.get(user, ""), environ.get(password, "")
    if bool(found[1]) != bool(found[2]):
        raise ConfigError("user and password belong together", where=f"{user}, {password}")
    if found[0] and found[1]:
        raise ConfigError("choose one", where=f"{key}, {user}")
    return found


def _configs(loaded: Loaded) -> list[Config]:
    from monitor.sinks.elasticsearch import Config  # noqa: PLC0415 - pydantic only where it is used

    found: list[Config] = []
    problems: list[ConfigError] = []
    for number, raw in enumerate(loaded.settings.sinks):
        if raw.get("type") != _TYPE:
            continue
        try:
            found.append(Config.model_validate(raw))
        except ValidationError as exc:
            problems.extend(explain(exc, Config, raw, loaded.places, ("sinks", number)))
    if problems:
        raise all_in_one(problems)
    return found
