"""Is Elasticsearch ready for our documents: templates installed, rights there, each month's index made.

Without its template an index would take its mapping from the first documents, and every payload could make it grow;
so nothing is written into an index before the templates were seen. Called by `sink.py`.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from elasticsearch import Elasticsearch

from monitor.errors import Auth, Permanent, TooLarge
from monitor.model import Diagnosis
from monitor.sinks.elasticsearch.connection import Connection
from monitor.sinks.elasticsearch.settings import Config
from monitor.sinks.elasticsearch.templates import VERSION, resources, role

__all__ = ["SETUP", "Indices", "digest_of", "origination_ms"]

T = TypeVar("T")
SETUP = "run `monitor setup elasticsearch`"
_SUPPORTED = ("8.", "9.")
_ALREADY_THERE = "resource_already_exists_exception"
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 400, 403, 404
_HIDDEN_OR_MISSING = (_FORBIDDEN, _NOT_FOUND)
_NO_SECURITY = (400, 404, 405, 500)
"""What servers say to questions about rights where security is switched off."""
_MONTH_CHARS = len("2026.11")


class Indices:
    """What is known of the cluster's templates and indices."""

    def __init__(self, config: Config, connection: Connection, logger: Any) -> None:
        self._config, self._connection, self._logger = config, connection, logger
        everything = resources(config)
        self._templates = tuple(each for each in everything if each.kind == "template")
        self._components = tuple(each for each in everything if each.kind == "component")
        (self._policy,) = (each for each in everything if each.kind == "policy")
        self._made: set[str] = set()

    def make_ready(self, names: Collection[str]) -> None:
        """See that indices of these names exist and have our mapping. Raises Auth where the templates are missing."""
        new = sorted(set(names) - self._made)
        if not new:
            return
        if outdated := self._outdated():
            self._logger.warning("elasticsearch_templates_outdated", templates=", ".join(outdated), action=SETUP)
        for name in new:
            self._create(name)
        self._made.update(new)

    def forget(self) -> None:
        """Look again before the next write."""
        self._made.clear()

    def check(self) -> None:
        """Raise what a write would raise, without writing."""
        self._outdated()
        if missing := self._missing_rights():
            raise Auth(f"this user lacks rights: {', '.join(missing)}")

    def diagnose(self) -> Sequence[Diagnosis]:
        """Version, templates, policy and rights, each with its remedy; raises what reaching it raises."""
        return [self._server(), self._installed(), self._lifecycle(), self._rights()]

    def _outdated(self) -> list[str]:
        """Names of templates that are not what this version and configuration would install. Raises Auth."""
        there = {each["name"]: each["index_template"] for each in self._there()}
        missing = [each.name for each in self._templates if digest_of(there.get(each.name)) is None]
        if missing:
            raise Auth(f"index templates are not installed ({', '.join(missing)}): {SETUP}")
        return [each.name for each in self._templates if digest_of(there[each.name]) != each.digest]

    def _there(self) -> list[dict[str, Any]]:
        """The index templates of our prefix. Where there is none, Elasticsearch says 404 and an empty list."""
        pattern = f"{self._config.prefix}-*"
        answer = self._run(
            lambda client: client.options(ignore_status=_NOT_FOUND).indices.get_index_template(name=pattern)
        )
        if answer.meta.status == _NOT_FOUND and "index_templates" not in str(answer.body):
            raise Auth(
                f"this address has no index templates: {self._connection.shown(str(answer.body), after_content=False)}"
            )
        return _entries(answer.body, "index_templates")

    def _create(self, name: str) -> None:
        """Make the index, unless it is there. Its age begins with the end of its month, not with its creation."""
        settings = {"index": {"lifecycle": {"origination_date": origination_ms(name[-_MONTH_CHARS:])}}}
        answer = self._run(
            lambda client: client.options(ignore_status=_BAD_REQUEST).indices.create(index=name, settings=settings)
        )
        said = str(answer.body)
        if answer.meta.status == _BAD_REQUEST and _ALREADY_THERE not in said:
            raise Auth(f"the index {name} can't be made: {self._connection.shown(said, after_content=False)}")

    def _missing_rights(self) -> list[str]:
        """Rights of `role` that the user lacks; none where security is switched off."""
        wanted = role(self._config)
        answer = self._run(
            lambda client: client.options(ignore_status=_NO_SECURITY).security.has_privileges(
                cluster=wanted["cluster"], index=wanted["indices"]
            )
        ).body
        if not isinstance(answer, Mapping) or answer.get("has_all_requested", True):
            return []
        return sorted(set(_denied(answer)))

    def _run(self, call: Callable[[Elasticsearch], T]) -> T:
        """The call's answer. A refusal here is never an event's fault, so nothing may be dropped for it."""
        try:
            return self._connection.run(call)
        except (Permanent, TooLarge) as exc:
            raise Auth(f"the indices can't be made ready: {exc}") from exc

    def _server(self) -> Diagnosis:
        answer = self._run(lambda client: client.info()).body
        version = str(answer.get("version", {}).get("number", "?"))
        if version.startswith(_SUPPORTED):
            return Diagnosis("server", "ok", f"Elasticsearch {version}")
        return Diagnosis("server", "warning", f"Elasticsearch {version}", "Tried with 8 and 9 alone: use one of them.")

    def _installed(self) -> Diagnosis:
        try:
            outdated = self._outdated()
        except Auth as exc:
            return Diagnosis("templates", "problem", str(exc), f"As a user who may manage templates, {SETUP}.")
        outdated = self._outdated_components() + outdated
        if outdated:
            detail = f"not what this version and configuration need: {', '.join(outdated)}"
            return Diagnosis("templates", "warning", detail, f"As a user who may manage templates, {SETUP}.")
        names = ", ".join(each.name for each in (*self._components, *self._templates))
        return Diagnosis("templates", "ok", f"installed, of version {VERSION}: {names}")

    def _outdated_components(self) -> list[str]:
        """Component templates that somebody changed or that are of another version."""
        answer = self._run(
            lambda client: client.options(ignore_status=_NOT_FOUND).cluster.get_component_template(
                name=f"{self._config.prefix}-*"
            )
        )
        there = {each["name"]: each["component_template"] for each in _entries(answer.body, "component_templates")}
        return [each.name for each in self._components if digest_of(there.get(each.name)) != each.digest]

    def _lifecycle(self) -> Diagnosis:
        """The policy: whether it is there and ours. Reading it is a right that sending does not need."""
        name, told = self._policy.name, "lifecycle policy"
        answer = self._run(lambda client: client.options(ignore_status=_HIDDEN_OR_MISSING).ilm.get_lifecycle(name=name))
        if answer.meta.status == _FORBIDDEN:
            detail = f"not looked at: this user may not see {name} (it takes the cluster right read_ilm)"
            return Diagnosis(told, "ok", detail)
        found = answer.body.get(name, {}) if isinstance(answer.body, Mapping) else {}
        if digest_of(found.get("policy")) == self._policy.digest:
            return Diagnosis(told, "ok", f"installed: {name}")
        remedy = f"As a user who may manage policies, {SETUP}."
        if not found:
            return Diagnosis(told, "problem", f"{name} is not there: no index is ever moved or deleted", remedy)
        return Diagnosis(told, "warning", f"{name} is not what this version and configuration need", remedy)

    def _rights(self) -> Diagnosis:
        missing = self._missing_rights()
        if not missing:
            return Diagnosis("rights", "ok", "this user may write")
        least = json.dumps(role(self._config), indent=2)
        return Diagnosis("rights", "problem", f"missing: {', '.join(missing)}", f"Give it a role such as\n{least}")


def _entries(answer: Any, name: str) -> list[dict[str, Any]]:
    found = answer.get(name) if isinstance(answer, Mapping) else None
    return found if isinstance(found, list) else []


def _denied(answer: Mapping[str, Any]) -> Iterator[str]:
    for name, granted in answer.get("cluster", {}).items():
        if not granted:
            yield f"cluster {name}"
    for index, rights in answer.get("index", {}).items():
        yield from (f"{name} on {index}" for name, granted in rights.items() if not granted)


def digest_of(body: Mapping[str, Any] | None) -> str | None:
    """The digest on something that is installed; None where it is not there, or not ours."""
    meta = (body or {}).get("_meta") or {}
    digest = meta.get("digest") if isinstance(meta, Mapping) else None
    return None if digest is None else str(digest)


def origination_ms(month: str) -> int:
    """The end of a month such as `2026.11`, in milliseconds since 1970."""
    year, number = (int(part) for part in month.split("."))
    first = datetime(year, number, 1, tzinfo=UTC)
    return (int(first.timestamp()) + calendar.monthrange(year, number)[1] * 86_400) * 1000
