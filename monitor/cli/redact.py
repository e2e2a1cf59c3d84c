"""`monitor redact`: what of a text would leave under `content: redacted`, to try patterns and words beforehand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

import click

from monitor.cli.options import config_option, load_config
from monitor.config import Loaded
from monitor.config.loader import adapter_names
from monitor.config.problems import all_in_one
from monitor.errors import ConfigError
from monitor.model import Redaction
from monitor.normalise.redact.masks import masks_for
from monitor.runtime.redaction import read_redaction

__all__ = ["command"]


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@config_option
def command(file: BinaryIO, config_file: Path | None) -> None:
    """Print a text as it would leave under `content: redacted`.

    FILE is a text in UTF-8; without one, or with `-`, standard input is read. The text goes to standard output, how
    much of what was masked to standard error. The configuration's `redaction` is in force: its patterns, words, regions
    and what it keeps. Its rules for apps are only checked, as a text is of no app. Nothing is sent or stored.
    """
    masks = masks_for(_redaction(load_config(config_file, adapters=False), adapter_names(config_file, os.environ)))
    text, counts = masks.counted(_decoded(file.read()))
    click.echo(text.encode("utf-8"), nl=False)
    click.echo(_summary(counts), err=True)


def _decoded(raw: bytes) -> str:
    """Raises ConfigError where the text is not UTF-8: what is read wrongly is masked wrongly."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        remedy = "Convert it first, such as by `iconv -f GB18030 -t UTF-8`."
        raise ConfigError(f"the text is not UTF-8 at byte {exc.start}", remedy=remedy) from None


def _redaction(loaded: Loaded, adapters: Mapping[str, Collection[str]]) -> Redaction:
    """The section as `monitor config check` reads it, with the names of the sinks that rules may name."""
    problems: list[ConfigError] = []
    redaction = read_redaction(loaded.settings.redaction, adapters.get("sinks", ()), loaded.places, problems)
    if problems:
        raise all_in_one(problems)
    return redaction


def _summary(counts: Counter[str]) -> str:
    """Such as `masked: 2 [phone], 1 [email]`."""
    listed = ", ".join(
        f"{count} {mask}" for mask, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    )
    return f"masked: {listed or 'nothing'}"
