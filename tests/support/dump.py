"""Reads what `pg_dump` writes, so that a recording can be loaded where there is no psql.

It knows the two shapes that our recordings have: a script of schema statements, and COPY blocks in text format.
It is no SQL parser. `tests.support.recordings` and the converter beside the recordings call it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["CopyBlock", "copy_blocks", "copy_text", "schema_script"]

_COPY = re.compile(r'^COPY (?:public\.)?"?(?P<table>\w+)"? \((?P<columns>[^)]*)\) FROM stdin;$')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = str.maketrans({"\\": "\\\\", **{plain: "\\" + letter for letter, plain in _PLAIN.items()}})


@dataclass(frozen=True, slots=True)
class CopyBlock:
    """The rows of one table, in the order of the dump; a value is PostgreSQL's text, or None for NULL."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]

    def dicts(self) -> Iterator[dict[str, str | None]]:
        """Each row as column to value."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def schema_script(dump: str) -> str:
    """The statements of a schema dump, without the lines that only psql understands."""
    return "\n".join(line for line in dump.split("\n") if not line.startswith("\\"))


def copy_blocks(dump: str) -> Iterator[CopyBlock]:
    """Every COPY block of a data dump."""
    lines = iter(dump.split("\n"))
    for line in lines:
        if found := _COPY.match(line):
            columns = tuple(name.strip().strip('"') for name in found["columns"].split(","))
            yield CopyBlock(found["table"], columns, tuple(_rows(lines)))


def _rows(lines: Iterator[str]) -> Iterator[tuple[str | None, ...]]:
    for line in lines:
        if line == "\\.":
            return
        yield tuple(_value(field) for field in line.split("\t"))


def _value(field: str) -> str | None:
    if field == "\\N":
        return None
    return _ESCAPE.sub(lambda found: _PLAIN.get(found[1], found[1]), field) if "\\" in field else field


def copy_text(block: CopyBlock) -> str:
    """The block as a data dump has it; what `copy_blocks` reads back."""
    names = ", ".join(f'"{name}"' for name in block.columns)
    head = f"COPY public.{block.table} ({names}) FROM stdin;\n"
    return head + "".join(_line(row) for row in block.rows) + "\\.\n"


def _line(row: Iterable[str | None]) -> str:
    return "\t".join("\\N" if value is None else value.translate(_ESCAPED) for value in row) + "\n"
