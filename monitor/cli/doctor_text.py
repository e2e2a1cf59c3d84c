"""What the doctor found, for people: marks and folded lines on a terminal, one plain line each elsewhere; and as JSON.

Also the proof as Markdown, to be handed to the owner of Dify's database. Called by `monitor doctor`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from monitor.cli.doctor_facts import Part
from monitor.cli.printing import iso_text, moment_text
from monitor.model import Diagnosis, Proof
from monitor.replay.plain import one_line, visible
from monitor.replay.words import plural

__all__ = ["document", "draw", "proof_markdown", "verdict"]

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "bold red")}
_WORDS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
_LONGEST = 4_000
_WHAT_CELLS = 16
_LEAST_CELLS = 40


def draw(part: Part, console: Console) -> None:
    """One part. On a terminal a heading and marks; elsewhere a line for each finding, fit for grep and mail."""
    if console.is_terminal:
        console.print(Text(part.name[:1].upper() + visible(part.name[1:]), "bold"))
    for each in part.findings:
        if console.is_terminal:
            _marked(each, console)
        else:
            _plain(part.name, each, console)
    if console.is_terminal:
        console.print()


def _marked(finding: Diagnosis, console: Console) -> None:
    mark, style = _MARKS[finding.outcome]
    head = Text.assemble(("  " + mark, style), "  ", (f"{one_line(finding.what, 40):<{_WHAT_CELLS}}", "bold"))
    width = max(_LEAST_CELLS, console.width - len(head.plain) - 1)
    told = textwrap.wrap(one_line(finding.detail, _LONGEST), width) or [""]
    for number, line in enumerate(told):
        start = head if number == 0 else Text(" " * len(head.plain))
        console.print(start + Text(" " + line), soft_wrap=True)
    for line in _remedy(finding.remedy, len(head.plain) + 1, width):
        console.print(Text(line, "cyan"), soft_wrap=True)


def _remedy(remedy: str, indent: int, width: int) -> Iterator[str]:
    """The first line folded; the others are to be copied (SQL, commands), so they keep their lines."""
    first, *others = visible(remedy).split("\n")
    if first:
        yield from (" " * indent + line for line in textwrap.wrap(f"→ {first}", width, subsequent_indent="  "))
    yield from (f"      {line}" for line in others)


def _plain(part: str, finding: Diagnosis, console: Console) -> None:
    detail = one_line(finding.detail, _LONGEST)
    told = f"{_WORDS[finding.outcome]:<8} {one_line(part, 80)}: {one_line(finding.what, 40)}: {detail}"
    console.print(Text(told), soft_wrap=True)
    for line in visible(finding.remedy).split("\n") if finding.remedy else ():
        console.print(Text(f"{'':<8} -> {line}" if line else ""), soft_wrap=True)


def verdict(parts: Sequence[Part]) -> Text:
    """One line for all of it."""
    problems, warnings = _count(parts, "problem"), _count(parts, "warning")
    if problems:
        return Text(f"{plural(problems, 'problem')}, {plural(warnings, 'warning')}.", "bold red")
    if warnings:
        return Text(f"No problem, {plural(warnings, 'warning')}.", "yellow")
    return Text("All is well.", "green")


def _count(parts: Sequence[Part], outcome: str) -> int:
    return sum(each.outcome == outcome for part in parts for each in part.findings)


def document(parts: Sequence[Part], now_ns: int) -> dict[str, Any]:
    """All of it as plain data. Fields may be added under the same version; none goes or changes its meaning."""
    return {
        "version": 1,
        "at": iso_text(now_ns),
        "problems": _count(parts, "problem"),
        "warnings": _count(parts, "warning"),
        "findings": [
            {
                "part": part.name,
                "what": each.what,
                "outcome": each.outcome,
                "detail": each.detail,
                "remedy": each.remedy,
            }
            for part in parts
            for each in part.findings
        ],
    }


# -- the proof


def proof_markdown(source: str, proofs: Sequence[Proof], now_ns: int) -> str:
    """Every statement of one source, for the person who owns the database."""
    parts = [f"# What `monitor` sends to the database of source {one_line(source, 80)}", _opening(now_ns)]
    parts.append(_summary(proofs))
    parts.extend(_chapter(each) for each in proofs)
    return "\n\n".join(parts) + "\n"


def _opening(now_ns: int) -> str:
    return (
        f"Taken {moment_text(now_ns)}. These are all statements that a running sidecar sends, in their whole text; "
        "what stands as `%(name)s` is a value that is given with each call. Each was carried out by `EXPLAIN "
        "(ANALYZE, BUFFERS)` inside a read-only transaction, with values taken from this database; of those that are "
        "sent several times in a reading, the costliest is shown. Blocks of 8 kB, read from disk or cache. "
        "What `monitor doctor` and `monitor init` ask beside these, once, stands in diagnosis.sql."
    )


def _summary(proofs: Sequence[Proof]) -> str:
    rows = [f"| `{each.name}` | {each.purpose} | {_number(each.blocks)} | {_number(each.rows)} |" for each in proofs]
    return "\n".join(["| statement | what for | blocks | rows |", "| --- | --- | ---: | ---: |", *rows])


def _number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _chapter(proof: Proof) -> str:
    return "\n\n".join(
        (
            f"## `{proof.name}`",
            f"{proof.purpose}.",
            f"```sql\n{visible(proof.sql)}\n```",
            f"```\n{visible(proof.plan)}\n```",
        )
    )
