"""The command line: parse, call, print. What a command does lives in the rooms below.

A command's module is imported when it is invoked, so that `monitor --help` stays fast; hence the short texts of the
list stand here. Every error that the house raises on purpose ends as one plain line and an exit code.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from monitor import __version__
from monitor.cli.options import INTERRUPTED, exit_code, print_error
from monitor.errors import MonitorError

__all__ = ["COMMANDS", "LazyCommand", "LazyGroup", "cli"]


class LazyCommand(NamedTuple):
    """A command that is not imported yet: its module, whose `command` it is, and its line in the list."""

    module: str
    short_help: str


COMMANDS: Mapping[str, LazyCommand] = MappingProxyType(
    {
        "init": LazyCommand("monitor.cli.init", "Ask Dify what is there, and write a configuration file."),
        "doctor": LazyCommand("monitor.cli.doctor", "Find out what is wrong or missing, and how to repair it."),
        "setup": LazyCommand("monitor.cli.setup", "Make another system ready for what a sink sends there."),
        "run": LazyCommand("monitor.cli.run", "Follow Dify: ship traces, serve metrics, judge alert rules."),
        "demo": LazyCommand("monitor.cli.demo", "See it work on recorded conversations, without Dify."),
        "replay": LazyCommand("monitor.cli.replay", "Show what happened in one conversation, step by step."),
        "metrics": LazyCommand("monitor.cli.metrics_command", "Print the metrics of a journal."),
        "status": LazyCommand("monitor.cli.status", "Show how the journal and its sidecar are."),
        "rejected": LazyCommand("monitor.cli.rejected", "List what sinks refused; deliver it again, or drop it."),
        "journal": LazyCommand("monitor.cli.journal", "Weigh, back up or export the journal."),
        "redact": LazyCommand("monitor.cli.redact", "Show what of a text would leave under `content: redacted`."),
        "config": LazyCommand("monitor.cli.config", "Check the configuration, or print its JSON Schema."),
    }
)


class LazyGroup(click.Group):
    """A group whose commands are imported on use, and which turns the house's errors into exit codes."""

    def __init__(self, *args: Any, table: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table: the order in which people need them."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when there is none of that name."""
        del ctx
        if cmd_name not in self._table:
            return None
        command: click.Command = importlib.import_module(self._table[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.short_help) for name, command in self._table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        if args[0] not in self._table and not args[0].startswith("-") and not ctx.resilient_parsing:
            alike = difflib.get_close_matches(args[0], self._table, n=1)
            ctx.fail(f"No such command {args[0]!r}.{f' Did you mean {alike[0]!r}?' if alike else ''}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What the shell offers behind `monitor`: from the table, so that a key press imports nothing."""
        commands = [
            CompletionItem(name, help=command.short_help)
            for name, command in self._table.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. An unexpected exception goes on: its traceback is what a bug report needs."""
        try:
            return super().invoke(ctx)
        except MonitorError as exc:
            print_error(exc)
            ctx.exit(exit_code(exc))
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExit codes:\n"
    "  0    done\n"
    "  1    anything that is not below; with a traceback it is a defect in monitor itself\n"
    "  2    the configuration or the command line is wrong\n"
    "  3    not everything could be delivered; the journal keeps it for the next run\n"
    "  4    not everything could be read: a source failed, or the journal is locked, full or damaged\n"
    "  130  interrupted",
)
@click.version_option(__version__, message="monitor %(version)s")
def cli() -> None:
    """Observability for Dify: traces, metrics, alerts and replay from Dify's own records."""
