"""How the operator's commands write: a console for tables, JSON that no terminal obeys, sizes and times in few letters.

Called by `monitor status`, `monitor rejected` and `monitor journal`. Times are in UTC, as in logs.
"""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from monitor.replay.words import duration_text

__all__ = ["ago_text", "bytes_text", "console", "iso_text", "local_text", "moment_text", "print_json", "table"]

_NS = 1_000_000_000
_NEXT_UNIT = 999.5
_SIZES = ("B", "kB", "MB", "GB", "TB")
# What JSON allows in a string as it is, and a terminal would obey. As escapes they mean the same to every reader.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def console() -> Console:
    """Standard output, as wide as the terminal or 80; what its encoding lacks is shown as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without lines; the columns named in `right` are those of numbers."""
    drawn = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        number = name in right
        drawn.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    return drawn


def print_json(data: Any) -> None:
    """One indented document."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    click.echo(_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode("utf-8", "backslashreplace"))


def bytes_text(count: float) -> str:
    """Such as `512 B`, `1.3 GB`; powers of 1000, as in the configuration."""
    *smaller, largest = _SIZES
    for unit in smaller:
        if count < _NEXT_UNIT:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.2f} {largest}"


def moment_text(ns: int) -> str:
    """Such as `2026-11-24 08:46:20 UTC`."""
    return f"{_moment(ns):%Y-%m-%d %H:%M:%S} UTC"


def local_text(ns: int) -> str:
    """Such as `2026-11-24 09:46:20 CET`: what a person compares with a clock on the wall."""
    return f"{_moment(ns).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def iso_text(ns: int | None) -> str | None:
    """Such as `2026-11-24T08:46:20.123Z`; None where there is no moment."""
    return None if ns is None else _moment(ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago_text(ns: int, now_ns: int) -> str:
    """Such as `2 min 5 s ago`."""
    return f"{duration_text(max(0, now_ns - ns) / _NS)} ago"


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 1_000_000 / 1000, UTC)
