"""Writes docs/reference/ from the code: settings, metrics, commands. `--check` only says what is out of date.

    python docs/generate.py [--check]

The words come from the docstrings of settings, the metric catalogue and the commands' help; change them there.
"""  # noqa: INP001 - a script, not part of the package

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from pydantic import BaseModel

from monitor.cli import cli
from monitor.config.schema import adapter_rows, file_schema, settings_rows, table
from monitor.config.settings import Settings
from monitor.metrics.catalogue import reference_markdown
from monitor.runtime.registry import KINDS, configs, rule_kinds

__all__ = ["main", "outdated", "pages"]

FOLDER = Path(__file__).parent / "reference"

_NOTICE = "<!-- Made by docs/generate.py from the code. Change the docstrings there, not this page. -->"
_COMMON = ("type", "name")

_CONFIGURATION = """\
# Configuration

{notice}

`monitor` reads one YAML file: the one named by `--config`, else by `MONITOR_CONFIG`, else `./monitor.yaml`, else
`/etc/dify-monitor/monitor.yaml`. None of them has to be there: `DIFY_DB_URL=postgresql://… monitor run` is enough.
`monitor config check` validates it without connecting to anything and prints what is in force. Editors that know JSON
Schema can use [configuration.schema.json](configuration.schema.json). Two files to begin with:
[minimal.yaml](../examples/minimal.yaml) and [full.yaml](../examples/full.yaml).

- **Environment.** Each setting has a variable, named in the tables; it beats the file. Lists and whole sections are
  JSON: `MONITOR_SOURCES='[{{"type": "dify_database", "url": "postgresql://…"}}]'`. With `_FILE` at its end a variable
  names a file that holds the value (`MONITOR_PSEUDONYM_KEY_FILE=/run/secrets/key`). An empty variable counts as not
  set; `null` unsets what may be null.
- **References.** In any text of the file, `${{NAME}}` is an environment variable, `${{NAME:-default}}` one with a
  default, `${{file:/run/secrets/x}}` the content of a file without the line break at its end. `$${{` is a plain `${{`.
- **Durations** are written `45s`, `30m`, `1h30m`, `500ms`, `2d`, or as a number of seconds. **Sizes** are written
  `20GB` (powers of 1000), `512MiB` (powers of 1024), or as a number of bytes.
- **Paths** are relative to the directory in which `monitor` is started.
- What is left out has the default shown. A name that does not exist is an error, never ignored. Secrets are never
  printed, not even in error messages.
"""

_ADAPTERS = {
    "sources": "A list, each entry with a `type`. Where facts come from.",
    "sinks": "A list, each entry with a `type`. Where facts go. Each sink has its own pace and place in the journal.",
    "notifiers": "A list, each entry with a `type`. Who is told when an alert changes.",
}
_ENTRY = (
    "Every entry has a `type`, and may have a `name`: what logs, metrics and cursors call it. Without one it is called "
    "by its type; two of one type need names."
)

_RULES = """\
## Rule files

The files under `rules.paths`, each with a list `rules:`. Without any, `monitor` judges the rules that it ships
(`alerts/*.yaml` in the source).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages; with `--check` change nothing and return 1 when some are out of date."""
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    if parser.parse_args(arguments).check:
        stale = outdated(FOLDER)
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is out of date: run python docs/generate.py\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


def outdated(folder: Path) -> list[str]:
    """Names of the pages in the folder that are missing or not what the code says."""
    return [name for name, text in pages().items() if _content(folder / name) != text]


def pages() -> dict[str, str]:
    """Each page's text by its file name."""
    adapters = {section: configs(kinds) for section, kinds in KINDS.items()}
    return {
        "configuration.md": _page(_configuration()),
        "configuration.schema.json": json.dumps(file_schema(adapters), indent=2, ensure_ascii=False) + "\n",
        "metrics.md": _page(["# Metrics", _NOTICE, reference_markdown()]),
        "cli.md": _page(["# Command line", _NOTICE, *_command(cli, "monitor", 1)]),
    }


def _content(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _page(parts: Sequence[str] | Iterator[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _configuration() -> Iterator[str]:
    yield _CONFIGURATION.format(notice=_NOTICE)
    rows = settings_rows()
    yield "## Top level"
    yield table(rows.pop(""))
    for section, group in rows.items():
        yield f"## `{section}`"
        yield _docstring(Settings.model_fields[section].annotation)
        yield table(group)
    for section, kinds in KINDS.items():
        yield f"## `{section}`"
        yield f"{_ADAPTERS[section]} {_ENTRY}"
        for name, config in configs(kinds):
            yield f"### `type: {name}`"
            yield from _chapter(config, _COMMON)
    yield _RULES
    for name, kind in rule_kinds().items():
        yield f"### `kind: {name}`"
        yield from _chapter(kind.Config, ("kind",))


def _chapter(config: type[BaseModel], left_out: Sequence[str]) -> Iterator[str]:
    yield _docstring(config)
    rows = [row for row in adapter_rows(config) if row.path not in left_out]
    yield table(rows) if rows else "No settings of its own."


def _docstring(model: object) -> str:
    return inspect.cleandoc(getattr(model, "__doc__", None) or "")


def _command(command: click.Command, name: str, level: int, parent: click.Context | None = None) -> Iterator[str]:
    """The chapter of a command, and those of its commands."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    if level > 1:
        yield f"{'#' * level} `{name}`"
    yield f"```\n{name} {' '.join(command.collect_usage_pieces(context))}\n```"
    yield _prose(command.help)
    yield _options(command, context)
    yield _prose(command.epilog)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from _command(found, f"{name} {inner}", level + 1, context)


def _prose(text: str | None) -> str:
    """Help as Markdown: click's mark for text that keeps its lines becomes a block of code."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(
        f"```\n{part.removeprefix(chr(8)).strip()}\n```" if part.startswith("\b") else part for part in paragraphs
    )


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            rows.append(f"| `{record[0]}` | {' '.join(record[1].split())} |")
    return "\n".join(["| option | meaning |", "| --- | --- |", *(row.replace("\b", "") for row in rows)])


if __name__ == "__main__":
    sys.exit(main())
