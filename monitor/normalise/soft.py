"""Failures that Dify calls successes: a business error answered with HTTP 200, told by patterns of the configuration.

The source's `Config` holds `SoftFailure`s, `turns` asks `Soft.matches` for every step that succeeded. Patterns are
compiled by the regular expressions of Rust that pydantic brings: they need time in proportion to the text whatever
the pattern, so no output, however made up, can hold up the reading of Dify's rows. In return they know neither
look-around nor back-references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator
from pydantic_core import SchemaError

from monitor.model import StepKind

__all__ = ["LOOKED_AT_CHARS", "NO_SOFT_FAILURES", "Soft", "SoftFailure"]

LOOKED_AT_CHARS = 10_000
"""Of an output, this much from its beginning is looked at."""

_EVERY_TOOL = "*"
_CALLS: frozenset[StepKind] = frozenset({"tool", "http"})
_OTHERS: frozenset[StepKind] = frozenset({"node"})
_PATTERN_CHARS = 2_000


class SoftFailure(BaseModel):
    """What tells that a call failed although Dify calls it a success."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tool: str = Field(default=_EVERY_TOOL, min_length=1)
    """Name of the tool or title of the node, `*` and `?` as in file names. `*` alone is every tool and HTTP node; other
    nodes (code, answers, ...) repeat what tools have said, so they count only where a name is given."""
    pattern: str
    """Regular expression, found anywhere in the first 10,000 characters of the output (as JSON in one line; quotation
    marks inside of texts may be written with or without their backslash). No look-around, no back-references."""

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str) -> str:
        if not pattern:
            raise ValueError("an empty pattern would call every answer a failure")
        if len(pattern) > _PATTERN_CHARS:
            raise ValueError(f"a pattern has at most {_PATTERN_CHARS} characters")
        try:
            _finder(pattern)
        except SchemaError as exc:
            raise ValueError(f"no regular expression: {_reason(exc)}") from None
        return pattern


class _Compiled(msgspec.Struct, frozen=True):
    """One pattern, ready to be asked."""

    tool: str
    found_in: Callable[[str], bool]

    def covers(self, kind: StepKind, name: str) -> bool:
        """Whether the pattern is about this step."""
        if kind not in _CALLS and (kind not in _OTHERS or self.tool == _EVERY_TOOL):
            return False
        return self.tool == _EVERY_TOOL or fnmatchcase(name, self.tool)


class Soft:
    """The patterns of a configuration. Immutable; build it once."""

    def __init__(self, patterns: Iterable[SoftFailure] = ()) -> None:
        self._patterns = tuple(_Compiled(each.tool, _finder(each.pattern)) for each in patterns)

    def matches(self, kind: StepKind, name: str, output: str) -> bool:
        """Whether a step of this kind and name, which succeeded with this output, failed all the same."""
        found = [each.found_in for each in self._patterns if each.covers(kind, name)]
        if not found:
            return False
        looked_at = output[:LOOKED_AT_CHARS]
        texts = {looked_at, looked_at.replace('\\"', '"')}
        return any(found_in(text) for found_in in found for text in texts)


NO_SOFT_FAILURES = Soft()
"""No patterns: Dify's word counts."""


def _finder(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is somewhere in a text. Raises SchemaError where it is no regular expression."""
    adapter = TypeAdapter(Annotated[str, Field(pattern=pattern)], config=ConfigDict(regex_engine="rust-regex"))
    return adapter.validator.isinstance_python


def _reason(exc: SchemaError) -> str:
    """The last line of the engine's explanation, which says what is wrong."""
    said = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return said[-1].removeprefix("SchemaError: ").removeprefix("error: ") if said else "unreadable"
