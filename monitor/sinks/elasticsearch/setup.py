"""Installs what `templates.py` describes, and changes nothing where it is there already.

Called by `monitor setup elasticsearch`, as a user who may manage templates and lifecycle policies; the sink itself
needs far less (`templates.role`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from monitor.clock import SystemClock
from monitor.normalise.documents import STREAMS
from monitor.sinks.elasticsearch.connection import Connection
from monitor.sinks.elasticsearch.ready import digest_of
from monitor.sinks.elasticsearch.settings import Config
from monitor.sinks.elasticsearch.templates import Resource, mappings, resources, role, setup_role, template_name

__all__ = ["Step", "apply", "connected", "plan", "printed"]

Action = Literal["create", "update", "keep"]
_JSON = {"accept": "application/json", "content-type": "application/json"}
_NOT_FOUND, _BAD_REQUEST = 404, 400


class Step(NamedTuple):
    """One thing, and what is to be done about it."""

    resource: Resource
    action: Action


def connected(config: Config) -> Connection:
    """A connection for installing; close it. Raises ConfigError."""
    return Connection(config, SystemClock())


def plan(connection: Connection, config: Config) -> list[Step]:
    """What is there, compared with what should be; only reads. Raises Retryable, Permanent or Auth."""
    return [Step(each, _action(connection, each)) for each in resources(config)]


def apply(connection: Connection, config: Config, steps: Sequence[Step]) -> Iterator[str]:
    """Install what is missing or differs, and say each thing as it is done. Raises Retryable, Permanent or Auth."""
    for step in steps:
        resource = step.resource
        if step.action != "keep":
            _ask(connection, "PUT", resource.path, resource.body)
        yield f"{_DONE[step.action]:9}  {resource.kind:9}  {resource.name}"
    if any(step.action == "update" and step.resource.name.endswith("-mappings") for step in steps):
        yield _update_indices(connection, config)


_DONE: Mapping[str, str] = {"create": "created", "update": "updated", "keep": "unchanged"}


def printed(config: Config) -> dict[str, Any]:
    """All requests that installing sends, in order, and the roles that the sink and installing need."""
    requests = [{"method": "PUT", "path": each.path, "body": each.body} for each in resources(config)]
    return {"version": 1, "requests": requests, "sink_role": role(config), "setup_role": setup_role(config)}


def _action(connection: Connection, resource: Resource) -> Action:
    found = _ask(connection, "GET", resource.path)
    if found is None:
        return "create"
    return "keep" if digest_of(_inner(resource, found)) == resource.digest else "update"


def _inner(resource: Resource, found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is installed, out of the answer that wraps it; None where the answer has no such thing."""
    if resource.kind == "policy":
        policy = found.get(resource.name, {}).get("policy")
        return policy if isinstance(policy, Mapping) else None
    outer, inner = {
        "component": ("component_templates", "component_template"),
        "template": ("index_templates", "index_template"),
    }[resource.kind]
    entry: Mapping[str, Any] = next((each for each in found.get(outer, ()) if each.get("name") == resource.name), {})
    body = entry.get(inner)
    return body if isinstance(body, Mapping) else None


def _ask(connection: Connection, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
    """The answer; None for what is not there."""
    answer = connection.run(
        lambda client: client.options(ignore_status=_NOT_FOUND if method == "GET" else ()).perform_request(
            method, path, headers=_JSON if body is not None else {"accept": "application/json"}, body=body
        )
    )
    return None if answer.meta.status == _NOT_FOUND else dict(answer.body)


def _update_indices(connection: Connection, config: Config) -> str:
    """Give the indices that are there the fields that are new. What can't change in an index changes with the next."""
    names = [f"{template_name(config, stream)}-*" for stream in STREAMS]
    answer = connection.run(
        lambda client: client.options(ignore_status=_BAD_REQUEST).indices.put_mapping(
            index=names, properties=mappings(config)["properties"], allow_no_indices=True, ignore_unavailable=True
        )
    )
    if answer.meta.status == _BAD_REQUEST:
        return "unchanged  indices    a field's type can't change: it holds from the next month's indices on"
    return f"updated    indices    {', '.join(names)}"
