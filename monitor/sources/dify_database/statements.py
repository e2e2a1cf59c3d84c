"""The statements for PostgreSQL, read from .sql files and fitted to what a database has and lets us read.

Pure text work: no connection here. `postgres` asks for them; `probe` says what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import LiteralString, cast

import msgspec

from monitor.sources.dify_database.probe import Probe

__all__ = ["Statement", "fitted", "statements"]

_FILES = ("postgres.sql", "registers/registers.sql")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_NEEDS = "-- needs:"
_OPT = re.compile(r"\bopt\(")
_US = re.compile(r"\bus\(([\w.]+)\)")
_US_SQL = (
    r"(CASE WHEN isfinite(\1) AND \1 < '287000-01-01'::timestamp THEN (extract(epoch FROM \1) * 1000000)::bigint"
    r" WHEN \1 > 'epoch'::timestamp THEN 9000000000000000000 WHEN \1 IS NOT NULL THEN -9000000000000000000 END)"
)
_OPT_ARGUMENTS = 3


class Statement(msgspec.Struct, frozen=True):
    """One statement as it is written in its file."""

    name: str
    purpose: str
    """What it is for, in a sentence."""
    text: str
    needs: tuple[str, ...] = ()
    """Tables (`table`) and columns (`table.column`) without which it gives no rows."""
    optional: bool = False
    """Of a table beside the turns: should it fail, the rest is read on without it."""


def statements() -> dict[str, Statement]:
    """All statements by name, as they stand in the files of this package."""
    folder = files("monitor.sources.dify_database")
    found: dict[str, Statement] = {}
    for path in _FILES:
        text = folder.joinpath(path).read_text(encoding="utf-8") if folder.joinpath(path).is_file() else ""
        for each in _parsed(text, optional=path != _FILES[0]):
            found[each.name] = each
    return found


def _parsed(text: str, *, optional: bool) -> Iterator[Statement]:
    blocks = _NAME.split(text)[1:]
    for name, block in zip(blocks[::2], blocks[1::2], strict=True):
        lines = block.strip().splitlines()
        comments = [line for line in lines if line.startswith("--")]
        needs = [line.removeprefix(_NEEDS) for line in comments if line.startswith(_NEEDS)]
        purpose = [line.removeprefix("--").strip() for line in comments if not line.startswith(_NEEDS)]
        yield Statement(
            name=name,
            purpose=" ".join(purpose),
            text="\n".join(line for line in lines if not line.startswith("--")),
            needs=tuple(need.strip() for line in needs for need in line.split(",") if need.strip()),
            optional=optional,
        )


def fitted(statement: Statement, probe: Probe) -> LiteralString | None:
    """What is sent to the database that was probed; None where a thing is missing that the statement needs."""
    if not all(probe.may_read(need) for need in statement.needs):
        return None
    # The files are part of the program, so their text is as literal as if it stood here.
    return cast("LiteralString", _US.sub(_US_SQL, _chosen(statement.text, probe)))  # type: ignore[redundant-cast]


def _chosen(text: str, probe: Probe) -> str:
    """The text with every `opt(columns, value, instead)` replaced by one of the two."""
    while (found := _OPT.search(text)) is not None:
        (columns, value, instead), end = _arguments(text, found.end())
        there = all(_is_there(what, probe) for what in columns.split())
        text = f"{text[: found.start()]}{value if there else instead}{text[end:]}"
    return text


def _is_there(what: str, probe: Probe) -> bool:
    """Whether a column may be read (`table.column`), or an index begins with one (`table[column]`)."""
    table, bracket, column = what.partition("[")
    return probe.begins(table, column.removesuffix("]")) if bracket else probe.may_read(what)


def _arguments(text: str, at: int) -> tuple[list[str], int]:
    """The arguments from just behind an opening bracket on, and where the text goes on behind the closing one."""
    found, depth, quoted, begin = [], 0, False, at
    for place in range(at, len(text)):
        letter = text[place]
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "," and not depth:
            found.append(text[begin:place].strip())
            begin = place + 1
        elif letter == ")" and not depth:
            found.append(text[begin:place].strip())
            if len(found) != _OPT_ARGUMENTS:
                break
            return found, place + 1
        depth += (letter == "(") - (letter == ")")
    raise ValueError(f"opt() takes three arguments: {text[at : at + 60]!r}")
