"""Every adapter that can be configured, by its `type`: the one place to register another.

Modules are named, not imported, so that a start pays only for the adapters in use. The tables also drive the JSON
Schema, the reference pages and the tests that every adapter has a case, a chapter and an example.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol, cast

from monitor.ports import AdapterConfig, Tools
from monitor.rules import RuleKind

__all__ = ["KINDS", "NOTIFIERS", "RULES", "SINKS", "SOURCES", "AdapterModule", "configs", "load_adapter", "rule_kinds"]

SOURCES: Mapping[str, str] = MappingProxyType({"dify_database": "monitor.sources.dify_database"})
SINKS: Mapping[str, str] = MappingProxyType(
    {
        "elasticsearch": "monitor.sinks.elasticsearch",
        "file": "monitor.sinks.file",
        "otlp": "monitor.sinks.otlp",
        "sentry": "monitor.sinks.sentry",
    }
)
NOTIFIERS: Mapping[str, str] = MappingProxyType(
    {"console": "monitor.notify.console", "webhook": "monitor.notify.webhook"}
)
RULES: Mapping[str, str] = MappingProxyType({"consecutive": "monitor.rules.consecutive"})
"""Kinds of rules, by their `kind`; each module has `Config` and `build(config)`."""
KINDS: Mapping[str, Mapping[str, str]] = MappingProxyType({"sources": SOURCES, "sinks": SINKS, "notifiers": NOTIFIERS})
"""Adapter tables by their section in the configuration."""


class AdapterModule(Protocol):
    """What an adapter's module exposes, and all of it."""

    Config: type[AdapterConfig]

    def build(self, config: Any, tools: Tools) -> Any:
        """The adapter itself; opens nothing yet. Raises ConfigError."""
        ...


def load_adapter(module: str) -> AdapterModule:
    """Import an adapter's module by its name."""
    return cast("AdapterModule", importlib.import_module(module))


def configs(table: Mapping[str, str]) -> list[tuple[str, type[AdapterConfig]]]:
    """Type name and Config of every adapter of a table; imports them all."""
    return [(name, load_adapter(module).Config) for name, module in sorted(table.items())]


def rule_kinds() -> dict[str, RuleKind]:
    """Every kind of rule, imported."""
    return {kind: cast("RuleKind", importlib.import_module(module)) for kind, module in sorted(RULES.items())}
