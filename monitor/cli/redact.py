"""`monitor redact`: what of a text would leave under `content: redacted`, to try patterns and words beforehand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import BinaryIO

import click

from monitor.cli.options import config_option, load_config
from monitor.config import Loaded
from monitor.config.problems import all_in_one
from monitor.errors import ConfigError
from monitor.model import Redaction
from monitor.normalise.redact import masks_for
from monitor.runtime.redaction import read_redaction

__all__ = ["command"]


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@config_option
def command(file: BinaryIO, config_file: Path | None) -> None:
    """Print a text as it would leave under `content: redacted`.

    FILE is a text in UTF-8; without one, or with `-`, standard input is read. The text goes to standard output, how
    much of what was masked to standard error. The configuration's `redaction` is in force: its patterns, words, regions
    and what it keeps. Its rules for apps are not, as a text is of no app; nothing is sent or stored.
    """
    masks = masks_for(_redaction(load_config(config_file, adapters=False)))
    text, counts = masks.counted(file.read().decode("utf-8", "replace"))
    click.echo(text.encode("utf-8", "replace"), nl=False)
    click.echo(_summary(counts), err=True)


def _redaction(loaded: Loaded) -> Redaction:
    problems: list[ConfigError] = []
    redaction = read_redaction(loaded.settings.redaction, None, loaded.places, problems)
    if problems:
        raise all_in_one(problems)
    return redaction


def _summary(counts: Counter[str]) -> str:
    """Such as `masked: 2 [phone], 1 [email]`."""
    listed = ", ".join(
        f"{count} {mask}" for mask, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    )
    return f"masked: {listed or 'nothing'}"
