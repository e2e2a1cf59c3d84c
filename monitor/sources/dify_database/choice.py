"""Which turns are wanted at all: the configuration's `include` and `exclude`. Pure; called by the reader for each turn.

What is left out leaves no trace but a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from hashlib import blake2b

from pydantic import BaseModel, ConfigDict, field_validator

from monitor.normalise.rows import AppRow

__all__ = ["Choice", "Exclude", "Include", "Selection"]


class Selection(BaseModel):
    """Lists of words; in each, `*` stands for any text and `?` for a letter, and what a list names exactly is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    apps: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    invoke_from: tuple[str, ...] = ()

    @field_validator("apps", "workspaces", "modes", "invoke_from")
    @classmethod
    def _not_empty(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not all(word.strip() for word in words):
            raise ValueError("an entry is empty: write an id, a name, or a pattern such as `Support*`")
        return words


class Include(Selection):
    """Only these turns are read; a list that is empty asks nothing. All lists that are not must agree."""

    apps: tuple[str, ...] = ()
    """Only these apps: id or name, with `*` and `?` as in file names. Turns of deleted apps are left out. Should you
    change `include` or `exclude` later, turns that were left out and are wanted now are read by and by, as far as Dify
    still holds them; what lies beside them, such as ratings and annotations, is not, unless it changes. Where only an
    app's name changes, turns of before stay as they are: read, or left out."""
    workspaces: tuple[str, ...] = ()
    """Only apps of these workspaces: id or name, likewise."""
    modes: tuple[str, ...] = ()
    """Only apps of these modes, in Dify's words: `chat`, `agent-chat`, `advanced-chat`, `workflow`, ..."""
    invoke_from: tuple[str, ...] = ()
    """Only what was called from there: `service-api`, `web-app`, `explore`, `debugger`, ... Of the runs of workflow
    apps Dify keeps less: `app-run`, `debugger`, or what triggered them (`webhook`, `schedule`, `plugin`)."""


class Exclude(Selection):
    """These turns are not read, even if `include` names them. One list that names a turn is enough."""

    apps: tuple[str, ...] = ()
    """Without these apps: id or name, with `*` and `?` as in file names."""
    workspaces: tuple[str, ...] = ()
    """Without the apps of these workspaces: id or name, likewise."""
    modes: tuple[str, ...] = ()
    """Without apps of these modes, in Dify's words."""
    invoke_from: tuple[str, ...] = ()
    """Without what was called from there; `debugger` leaves out what people try in Dify's editor."""


class Choice:
    """The two selections, ready to be asked."""

    def __init__(self, include: Selection | None = None, exclude: Selection | None = None) -> None:
        self._include, self._exclude = _lists(include or Include()), _lists(exclude or Exclude())
        self.everything = not any(self._include) and not any(self._exclude)
        """Whether nothing is left out."""
        self.mark = blake2b(
            repr([*self._include, *self._exclude]).encode("utf-8", "replace"), digest_size=6
        ).hexdigest()
        """Another one where other words are configured."""

    def admits(self, app: AppRow | None, invoke_from: str | None) -> bool:
        """Whether a turn of this app is wanted. `app` is None, or has empty fields, where Dify no longer knows it.

        `invoke_from` None: it is about a fact of the app's that nobody called, and that list is not asked.
        """
        if self.everything:
            return True
        about = _about(app, invoke_from)
        included, excluded = self._include[: len(about)], self._exclude[: len(about)]
        wanted = all(words.names(values) for words, values in zip(included, about, strict=True) if words)
        unwanted = any(words.names(values) for words, values in zip(excluded, about, strict=True) if words)
        return wanted and not unwanted


class _Words:
    """One list, as one pattern."""

    def __init__(self, words: Iterable[str]) -> None:
        self._exact = frozenset(words)
        self._pattern = re.compile("|".join(map(translate, self._exact)) or r"(?!)")

    def __bool__(self) -> bool:
        return bool(self._exact)

    def __repr__(self) -> str:
        return repr(sorted(self._exact))

    def names(self, values: Iterable[str]) -> bool:
        """Whether one of the values is meant."""
        return any(value and (value in self._exact or self._pattern.match(value)) for value in values)


def _lists(selection: Selection) -> tuple[_Words, ...]:
    return tuple(
        map(_Words, (selection.apps, selection.workspaces, selection.modes, selection.invoke_from)),
    )


def _about(app: AppRow | None, invoke_from: str | None) -> tuple[tuple[str, ...], ...]:
    """What the four lists are held against, in their order; the last may be missing."""
    called: tuple[tuple[str, ...], ...] = () if invoke_from is None else ((invoke_from,),)
    if app is None:
        return ((), (), (), *called)
    return ((app.id, app.name), (app.tenant_id, app.tenant_name), (app.mode,), *called)
