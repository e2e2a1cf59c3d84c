"""A rule as its author writes it in YAML, and reading such files into rules.

`Definition` is what all kinds have in common; each kind's module adds its own settings in a `Config` and turns it
into a rule with `build`. This module reads text, never files: `monitor.runtime` brings the text and the table of
kinds. Every error is a ConfigError that names file and line, the setting, its value and what to do.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Annotated, Any, Literal, Protocol

import msgspec
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from monitor.errors import ConfigError
from monitor.model.units import duration_ns
from monitor.ports import Rule
from monitor.rules.matcher import Matcher, parse_matcher
from monitor.rules.subject import FIELDS

__all__ = ["Definition", "LoadedRule", "RuleKind", "parse_rules", "render_text", "wrong"]

_STATE_VERSION = 1
"""Part of every digest: raise it when a kind's stored state changes, and all rules begin anew."""
_JUDGED_NOT = {"name", "severity", "summary", "description", "runbook", "for_ns", "keep_firing_for_ns"}
_LONGEST_SHOWN = 80

_LabelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Text = Annotated[str, StringConstraints(max_length=2000)]


def wrong(problem: str, remedy: str, setting: str = "") -> PydanticCustomError:
    """A finding with its remedy; `setting` where a rule about the whole concerns one of its settings."""
    return PydanticCustomError("rule", "{problem}", {"problem": problem, "remedy": remedy, "setting": setting})


def _canonical(text: str) -> str:
    try:
        return str(parse_matcher(text))
    except ValueError as exc:
        raise wrong(f"can't use this matcher: {exc}", 'Write such as kind="tool" or tool=~"order_.*"') from exc


def _listed(value: object) -> object:
    """`{tool: search}` is short for `[tool="search"]`."""
    if not isinstance(value, Mapping):
        return value
    for field, wanted in value.items():
        if not isinstance(field, str) or not isinstance(wanted, str):
            raise wrong(f"{field!s} must equal a text", 'Write `field: "value"`, or a list of matchers')
    return [str(Matcher(field, "=", wanted)) for field, wanted in value.items()]


def _known_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(names) - set(FIELDS))
    if unknown:
        raise wrong(f"unknown field {', '.join(unknown)}", f"Known fields: {', '.join(sorted(FIELDS))}")
    if len(set(names)) < len(names):
        raise wrong("a field is named twice", "Name each field once")
    return names


_Duration = Annotated[
    int,
    BeforeValidator(duration_ns),
    WithJsonSchema({"type": ["string", "number"], "format": "duration", "examples": ["30s", "1h30m"]}),
]


class Definition(BaseModel):
    """What every kind of rule has. Subclasses add the settings of their kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    """Unique, in small letters, digits and `_`. It is part of each alert's identity: a new name is a new alert."""
    kind: str
    """What the rule does: `consecutive`."""
    where: Annotated[
        tuple[Annotated[str, AfterValidator(_canonical)], ...],
        BeforeValidator(_listed),
        WithJsonSchema({"type": ["array", "object"], "examples": [{"kind": "tool"}, ['tool=~"order_.*"']]}),
    ] = ()
    """Which facts it looks at: `{field: value}`, or a list of matchers `field="value"` with `=`, `!=`, `=~`, `!~`, all
    of which must match. Empty: every step. Other facts only where `kind` asks for them: `feedback`, `trigger`, `form`,
    `indexing`, `coverage`."""
    group_by: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known_fields)]
    """Fields that keep streaks, counts and alerts apart; they become the alert's labels."""
    severity: Literal["page", "warning"] = "warning"
    """`page`: somebody should look at once; `warning`: when there is time."""
    summary: Annotated[_Text, StringConstraints(min_length=1)]
    """One line for people. `{tool}` and other fields, labels and `{value}` are filled in; `{{` is a brace."""
    description: _Text = ""
    """What it means and what to do, filled in like the summary."""
    runbook: Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$", max_length=2000)] = ""
    """Address of a page that helps."""
    for_ns: _Duration = Field(default=0, alias="for")
    """How long the condition must hold before the alert fires."""
    keep_firing_for_ns: _Duration = Field(default=0, alias="keep_firing_for")
    """How long the alert goes on after the condition cleared, so that one that comes and goes is one alert."""
    labels: dict[_LabelName, Annotated[str, StringConstraints(max_length=256)]] = {}
    """Labels of your own, added to each alert, such as `team: search`."""

    @model_validator(mode="after")
    def _labels_apart(self) -> Definition:
        twice = sorted({*self.group_by, "value"} & set(self.labels))
        if twice:
            problem = f"the rule itself sets {', '.join(twice)}"
            raise wrong(problem, "Choose another name", "labels")
        return self

    @model_validator(mode="after")
    def _texts_known(self) -> Definition:
        known = {*FIELDS, *self.labels, "value"}
        for setting in ("summary", "description"):
            problem = _text_problem(getattr(self, setting), known)
            if problem:
                names = ", ".join(f"{{{name}}}" for name in sorted(known))
                raise wrong(problem, f"Known are {names}; a plain brace is written twice", setting)
        return self

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """`where`, ready for use."""
        return tuple(parse_matcher(text) for text in self.where)

    @property
    def digest(self) -> str:
        """Hash of all that decides what is judged; texts, severity and times may change without beginning anew."""
        judged = self.model_dump(mode="json", exclude=_JUDGED_NOT)
        text = msgspec.json.encode([_STATE_VERSION, sorted(judged.items())])
        return blake2b(text, digest_size=8).hexdigest()


@dataclass(frozen=True)
class LoadedRule:
    """A rule with what the engine needs to know about its alerts."""

    definition: Definition
    rule: Rule


class RuleKind(Protocol):
    """A module of `monitor.rules` that is one kind of rule."""

    @property
    def Config(self) -> type[Definition]:  # noqa: N802 - a class that every kind's module has under this name
        """The settings of this kind."""
        ...

    def build(self, config: Any) -> Rule:
        """The rule that the settings describe."""
        ...


def render_text(template: str, values: Mapping[str, str]) -> str:
    """Fill a checked template in. Values are put in as they are: braces in them mean nothing."""
    parts = string.Formatter().parse(template)
    return "".join(text + ("" if name is None else values.get(name, "")) for text, name, _, _ in parts)


def parse_rules(text: str, *, where: str, kinds: Mapping[str, RuleKind]) -> tuple[LoadedRule, ...]:
    """Read one file `rules: [...]`. `where` is the file's name for errors. Raises ConfigError."""
    return _Document(text, where, kinds).rules()


def _text_problem(template: str, known: Collection[str]) -> str:
    """What is wrong with a template; empty when nothing is."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as exc:
        return f"can't be read ({exc})"
    for _, name, spec, conversion in parts:
        if name is not None and (name not in known or spec or conversion):
            return f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}} can't be filled in"
    return ""


class _Document:
    """One file of rules with the lines of its settings."""

    def __init__(self, text: str, where: str, kinds: Mapping[str, RuleKind]) -> None:
        self._where, self._kinds = where, kinds
        self._root, self._data = self._loaded(text)

    def rules(self) -> tuple[LoadedRule, ...]:
        """All rules, in the file's order."""
        loaded = tuple(self._rule(at, raw) for at, raw in enumerate(self._list()))
        names = [rule.definition.name for rule in loaded]
        for at, name in enumerate(names):
            if name in names[:at]:
                remedy = "Give each rule a name of its own"
                raise self._error("two rules have this name", ("rules", at, "name"), name, remedy)
        return loaded

    def _loaded(self, text: str) -> tuple[yaml.Node | None, Any]:
        try:
            loader = yaml.SafeLoader(text)
            try:
                root = loader.get_single_node()
                self._refuse_twins(root)
                return root, None if root is None else loader.construct_document(root)
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as exc:
            line = exc.problem_mark.line + 1 if exc.problem_mark else 1
            raise self._unreadable(str(exc.problem or exc.context), f":{line}") from exc
        except (yaml.YAMLError, ValueError, RecursionError) as exc:
            raise self._unreadable(type(exc).__name__, "") from exc

    def _unreadable(self, problem: str, line: str) -> ConfigError:
        remedy = "Check the indentation and the quotes"
        return ConfigError(f"not YAML: {problem}", where=f"{self._where}{line}", remedy=remedy)

    def _refuse_twins(self, root: yaml.Node | None) -> None:
        for node in _mappings(root):
            keys = sorted(
                ((key.value, key.start_mark.line) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            )
            for (first, _), (second, line) in pairwise(keys):
                if first == second:
                    where = f"{self._where}:{line + 1}"
                    raise ConfigError("written twice", where=where, path=second, remedy="Keep one of them")

    def _list(self) -> list[Any]:
        remedy = "Write `rules:` and below it a list, each entry beginning with `- name:`"
        if not isinstance(self._data, dict) or "rules" not in self._data:
            raise self._error("there are no rules in this file", (), None, remedy)
        strange = [str(key) for key in self._data if key != "rules"]
        if strange:
            raise self._error("there is no such setting", (strange[0],), None, "Only `rules` can stand here")
        rules = self._data["rules"]
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise self._error("not a list of rules", ("rules",), None, remedy)
        return rules

    def _rule(self, at: int, raw: dict[str, Any]) -> LoadedRule:
        kind = raw.get("kind")
        module = self._kinds.get(kind) if isinstance(kind, str) else None
        if module is None:
            problem = "there is no such kind of rule" if "kind" in raw else "is missing"
            remedy = f"Kinds: {', '.join(sorted(self._kinds))}"
            raise self._error(problem, ("rules", at, "kind"), kind, remedy)
        try:
            definition = module.Config.model_validate(raw)
        except ValidationError as exc:
            # its text quotes whole sections: ours says the same, shorter
            raise self._first(at, raw, exc.errors(include_url=False)[0], module.Config) from None
        return LoadedRule(definition, module.build(definition))

    def _first(self, at: int, raw: dict[str, Any], error: ErrorDetails, config: type[Definition]) -> ConfigError:
        setting = error.get("ctx", {}).get("setting")
        inside = (*error["loc"], setting) if setting else error["loc"]
        value = raw.get(setting) if setting else None if error["type"] == "missing" else error["input"]
        problem, remedy = _said(error, config)
        return self._error(problem, ("rules", at, *inside), value, remedy)

    def _error(self, problem: str, path: tuple[int | str, ...], value: object, remedy: str) -> ConfigError:
        where = f"{self._where}:{_line(self._root, path)}"
        return ConfigError(problem, where=where, path=_dotted(path), value=_short(value), remedy=remedy)


def _said(error: ErrorDetails, config: type[Definition]) -> tuple[str, str]:
    """Problem and remedy in plain words."""
    context = error.get("ctx", {})
    settings = {field.alias or name: field for name, field in config.model_fields.items()}
    setting = settings.get(str(error["loc"][0])) if error["loc"] else None
    meaning = (setting.description or "").replace("\n", " ") if setting else ""
    match error["type"]:
        case "rule":
            return str(context["problem"]), str(context["remedy"])
        case "extra_forbidden":
            return "there is no such setting", f"Settings of a rule: {', '.join(settings)}"
        case "missing":
            return "is missing", f"Its meaning: {meaning}"
        case _:
            return error["msg"].removeprefix("Value error, "), f"Its meaning: {meaning}" if meaning else ""


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """All mappings of a document."""
    waiting, seen = [node], set[int]()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.MappingNode):
            yield one
            waiting.extend(value for _, value in one.value)
        elif isinstance(one, yaml.SequenceNode):
            waiting.extend(one.value)


def _line(root: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """The line of the setting, or of the nearest thing around it that is there."""
    node, line = root, 1
    for part in path:
        pairs = _children(node)
        found = [pair for pair in pairs if pair[0].value == part] if isinstance(part, str) else pairs[part : part + 1]
        if not found:
            break
        key, node = found[0]
        line = key.start_mark.line + 1
    return line


def _children(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    """Pairs of what a setting is found by and what it holds; in a list both are the entry."""
    if isinstance(node, yaml.MappingNode):
        return list(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [(entry, entry) for entry in node.value]
    return []


def _dotted(path: tuple[int | str, ...]) -> str:
    """`rules[0].count`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).lstrip(".")


def _short(value: object) -> object:
    """Values as they are, long ones by their beginning."""
    if value is None or len(repr(value)) <= _LONGEST_SHOWN:
        return value
    return repr(value)[:_LONGEST_SHOWN] + "…"
