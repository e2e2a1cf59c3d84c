"""`monitor doctor`: is all in order, what is missing, and what is to be done about it."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.doctor_facts import Part, examine, house_to_examine
from monitor.cli.doctor_text import document, draw, proof_markdown, verdict
from monitor.cli.logs import configure_logs
from monitor.cli.options import config_option, json_option, load_config
from monitor.cli.printing import console, print_json
from monitor.clock import SystemClock
from monitor.config import Loaded

__all__ = ["command"]

_PROBLEM = 1


@click.command(
    epilog="\b\nExit codes:\n"
    "  0    all is in order; warnings count as that\n"
    "  1    there is a problem; what to do is printed\n"
    "  2    the configuration or the command line is wrong\n"
    "\b\nSuch as:\n"
    "  monitor doctor\n"
    "  monitor doctor --grants --role dify_monitor > role.sql\n"
    "  monitor doctor --prove > statements.md"
)
@config_option
@json_option
@click.option("--grants", is_flag=True, help="Print the SQL that makes a role with just the rights that are needed.")
@click.option("--role", metavar="NAME", help="With --grants: what the role is called. Default: dify_monitor.")
@click.option("--prove", is_flag=True, help="Print every statement that is sent to Dify's database, with its cost.")
@click.pass_context
def command(
    ctx: click.Context, config_file: Path | None, as_json: bool, grants: bool, role: str | None, prove: bool
) -> None:
    """Look at everything that `monitor run` needs, and say what is wrong and how to repair it.

    Asks every source, sink and channel, and looks at the configuration, the journal's folder and disk, the server's
    port and the terminal: for a minute at most, beside a running sidecar or without one. Nothing is changed, and nobody
    is paged. Run it as the user who runs `monitor run`.

    With --grants it prints the statements that make a database role which may read just what is read, for the tables
    that this Dify has; for any Dify where its database can't be asked yet. With --prove it prints, as Markdown for the
    owner of the database, each statement that is sent, what for, its plan, and how many blocks it read.
    """
    if sum((as_json, grants, prove)) > 1:
        raise click.UsageError("--json, --grants and --prove do not go together.")
    if role is not None and not grants:
        raise click.UsageError("--role goes with --grants.")
    if grants:
        from monitor.cli.doctor_grants import print_grants  # noqa: PLC0415 - the other ways need none of it

        print_grants(config_file, role)
        return
    loaded = load_config(config_file)
    # Warnings of adapters go to standard error: what is printed must stay a document.
    configure_logs(loaded.settings.log.model_copy(update={"level": "warning"}), SystemClock())
    if prove:
        _prove(loaded)
        return
    ctx.exit(_PROBLEM if _examine(loaded, as_json=as_json) else 0)


def _examine(loaded: Loaded, *, as_json: bool) -> bool:
    """Show what is found as it comes; whether there is a problem."""
    clock, out = SystemClock(), console()
    parts: list[Part] = []
    for part in examine(loaded, house_to_examine(loaded, clock), clock):
        parts.append(part)
        if not as_json:
            draw(part, out)
    if as_json:
        print_json(document(parts, clock.now_ns()))
    else:
        out.print(verdict(parts))
    return any(each.outcome == "problem" for part in parts for each in part.findings)


def _prove(loaded: Loaded) -> None:
    clock = SystemClock()
    for source in house_to_examine(loaded, clock).sources:
        try:
            click.echo(proof_markdown(source.name, source.prove(), clock.now_ns()), nl=False)
        finally:
            source.close()
