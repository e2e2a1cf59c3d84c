"""The configuration file that `monitor init` writes, with a comment for each choice. Pure.

Names of apps come from whoever may edit an app in Dify: in the file they are YAML strings in which nothing can end the
string, the comment or the line, and nothing refers to a variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.cli.printing import bytes_text
from monitor.replay.words import plural

if TYPE_CHECKING:
    from monitor.sources.dify_database.outline import AppOutline, Outline

__all__ = ["CONTENTS", "configuration", "quoted"]

CONTENTS = ("none", "redacted", "full")

_CONTENT_MEANS = {
    "none": "no text of a conversation leaves; only what happened, how long it took, what it cost",
    "redacted": "texts leave without what looks like a credential, an address or a number of a person",
    "full": "texts leave as Dify kept them, but for credentials",
}
_MOST_APPS = 40
_MOST_EXAMPLES = 3
_LONGEST_NAME = 120
_TURN_BYTES = 13_000
"""What a turn takes in a journal, about."""

# All but letters, digits, marks and symbols that a terminal, an editor and YAML show as they are.
_ESCAPED = re.compile(
    '["\\\\\x00-\x1f\x7f-\xa0\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff'
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U0010ffff]"
)


def quoted(text: str) -> str:
    """The text as a YAML string that `monitor` reads as exactly that; a lone surrogate becomes a question mark."""
    whole = text.encode("utf-8", "replace").decode("utf-8").replace("${", "$${")
    return f'"{_ESCAPED.sub(_escape, whole)}"'


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    if letter in '"\\':
        return f"\\{letter}"
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004


def configuration(dify: Outline | None, content: str, now_ns: int) -> str:
    """The whole file. `dify` is None where no database could be asked."""
    parts = (_head(dify, now_ns), _journal(dify), _sources(dify), _sinks(content), _REST)
    return "\n".join("\n".join(part) if not isinstance(part, str) else part for part in parts).rstrip("\n") + "\n"


def _head(dify: Outline | None, now_ns: int) -> Iterator[str]:
    day = f"{datetime.fromtimestamp(now_ns // 1_000_000_000, UTC):%Y-%m-%d}"
    if dify is None:
        yield f"# Written by `monitor init` on {day}, without having seen a Dify."
    else:
        yield f"# Written by `monitor init` on {day}, for {_comment(dify.version)}."
    yield "# Next: `monitor config check`, then `monitor doctor`, then `monitor run`."
    yield "# Every setting there is: docs/reference/configuration.md"
    yield ""


def _journal(dify: Outline | None) -> Iterator[str]:
    yield "journal:"
    yield "  # A folder on a local disk. It holds conversations: guard it like a database."
    yield "  path: ./journal"
    if dify is not None and dify.turns_a_day:
        day = bytes_text(dify.turns_a_day * _TURN_BYTES)
        yield f"  # About {dify.turns_a_day:,.0f} turns a day now make it grow by about {day} a day."
    yield "  # Once it is so large, reading stops and says so; Dify keeps the facts meanwhile."
    yield "  max_bytes: 20GB"
    yield ""


def _sources(dify: Outline | None) -> Iterator[str]:
    yield "sources:"
    yield "  - type: dify_database"
    yield "    # The address stays out of this file: DIFY_DB_URL=postgresql://user:password@host:5432/dify, or"
    yield "    # DIFY_DB_URL_FILE with a file that holds it. A role that may read just what is read, and nothing else:"
    yield "    # `monitor doctor --grants`. Whether it can: `monitor doctor`."
    yield '    url: "${DIFY_DB_URL}"'
    yield from _beginning(dify)
    if dify is not None:
        yield from _found(dify)
    yield from _selection(dify)
    yield ""


def _beginning(dify: Outline | None) -> Iterator[str]:
    yield "    # The first start reads all that Dify still holds, unless told where to begin: a date, or how long ago."
    if dify is not None:
        oldest = f", the oldest of {_day(dify.oldest_us)}" if dify.oldest_us is not None else ""
        yield f"    # That is about {plural(dify.messages, 'message')} and {plural(dify.runs, 'run')}{oldest}."
    yield "    # since: 30d"
    if dify is not None and not dify.runs_indexed:
        yield "    # workflow_runs has no index on its creation (Dify 1.11.3 brings one): see `monitor doctor`."


def _day(us: int) -> str:
    try:
        return f"{datetime.fromtimestamp(us / 1_000_000, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "a time beyond the calendar"


def _found(dify: Outline) -> Iterator[str]:
    many = f"{plural(len(dify.apps), 'app')} in {plural(len(dify.workspaces), 'workspace')}"
    yield f"    # This Dify has {many}; turns a day, over the last week:"
    for app in dify.apps[:_MOST_APPS]:
        a_day = "?" if app.turns_a_day is None else f"{app.turns_a_day:,.1f}"
        yield f"    #   {a_day:>9}  {_comment(app.mode):<14} {quoted(app.name[:_LONGEST_NAME])}"
    if len(dify.apps) > _MOST_APPS:
        yield f"    #   and {len(dify.apps) - _MOST_APPS} more"


def _comment(text: str) -> str:
    """Text that can't end a comment's line."""
    return _ESCAPED.sub(_escape, text.encode("utf-8", "replace").decode("utf-8"))[:_LONGEST_NAME]


def _selection(dify: Outline | None) -> Iterator[str]:
    yield "    # Read only these, or all but these; by id or name, with * and ? as in file names."
    yield "    # include:"
    yield f"    #   apps: {_flow(_names(dify.apps) if dify else ['Support*'])}"
    if dify is not None and len(dify.workspaces) > 1:
        yield f"    #   workspaces: {_flow(dify.workspaces[:_MOST_EXAMPLES])}"
    yield "    # exclude:"
    yield "    #   invoke_from: [debugger]"


def _names(apps: Sequence[AppOutline]) -> list[str]:
    """Some apps as they can be named: those with long names by their ids."""
    some = apps[:_MOST_EXAMPLES]
    return [app.name if 0 < len(app.name.strip()) <= _LONGEST_NAME else app.id for app in some] or ["Support*"]


def _flow(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"


def _sinks(content: str) -> Iterator[str]:
    yield "# Where facts go. `content` says what of the conversations leaves with them:"
    for name, meaning in _CONTENT_MEANS.items():
        yield f"#   {name:<9} {meaning}"
    yield "sinks:"
    yield "  # Spans as OTLP/JSON lines, for a look, for grep, or for a collector that reads files."
    yield "  - type: file"
    yield "    path: ./spans.jsonl"
    yield f"    content: {content}"
    yield "  # Spans to an OpenTelemetry backend: docs/howto/otlp-backends.md"
    yield "  # - type: otlp"
    yield '  #   endpoint: "http://127.0.0.1:4318"'
    yield f"  #   content: {content}"
    yield ""


_REST = """\
# Who is told of alerts: the console, and whom you add.
notifiers:
  - type: console
  # docs/howto/alerts.md
  # - type: webhook
  #   url: "${ALERT_WEBHOOK_URL}"

rules:
  # The rules that come with `monitor` are judged. Your own instead: docs/howto/alerts.md
  enabled: true
  # paths: ["rules/*.yaml"]

server:
  # /metrics for Prometheus, /healthz and /readyz
  listen: 127.0.0.1:9464

service:
  # What Dify is called in traces
  name: dify
  # environment: production
"""
