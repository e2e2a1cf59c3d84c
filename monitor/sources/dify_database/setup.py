"""How the apps of some turns were set up: which workflow or configuration each turn ran under, as far as rows say it.

One law for turns and for what is told about them later (ratings). Called by `fetch` and by the registers' `refs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from monitor.normalise.note_configs import config_of_override
from monitor.normalise.rows import AppConfig, AppRow, Definition, MessageRow, RunRow
from monitor.sources.dify_database.tables import Snapshot

__all__ = ["Setup", "setup_of"]


class Setup(msgspec.Struct):
    """What the turns' workflows and configurations say."""

    apps: Mapping[str, AppRow]
    definitions: dict[str, Definition]
    configs: dict[str, AppConfig]

    def config_of(self, message: MessageRow | None) -> AppConfig | None:
        """What a debug run tried out; else what the conversation was begun with.

        Where that is gone or names none: what its app has now, if that was there before the turn began.
        """
        if message is None:
            return None
        tried = config_of_override(message.override)
        if tried is not None:
            return tried
        if message.model_config_id:
            return self.configs.get(message.model_config_id)
        app = self.apps.get(message.app_id)
        config = self.configs.get(app.config_id) if app is not None else None
        return config if config is not None and _was_there(config, message) else None

    def hash_of(self, message: MessageRow | None, run: RunRow | None) -> str:
        """The workflow's that ran; else the configuration's; else of the workflow that was published before it began.

        Empty where none of these is known: today's says nothing of an old turn.
        """
        if run is not None:
            return self.definitions[run.workflow_id].hash if run.workflow_id in self.definitions else ""
        config = self.config_of(message)
        if config is not None or message is None:
            return config.hash if config is not None else ""
        app = self.apps.get(message.app_id)
        published = self.definitions.get(app.workflow_id) if app is not None and not message.model_config_id else None
        return published.hash if published is not None and _was_there(published, message) else ""


def _was_there(what: AppConfig | Definition, message: MessageRow) -> bool:
    return what.created_us is not None and what.created_us <= message.created_us


def setup_of(tables: Snapshot, alone: Sequence[MessageRow], runs: Iterable[RunRow]) -> Setup:
    """Of these messages without a run, and of these runs."""
    apps = tables.apps()
    workflows, configs = {run.workflow_id for run in runs}, set()
    for message in alone:
        app = apps.get(message.app_id)
        config = message.model_config_id or (app.config_id if app is not None else "")
        if config:
            configs.add(config)
        elif app is not None and app.workflow_id:
            workflows.add(app.workflow_id)
    return Setup(apps, tables.definitions(workflows), tables.configs(configs))
