"""What has to stand in Elasticsearch before anything is sent: lifecycle policy, component and index templates, as data.

Pure. `setup.py` installs them, the sink looks whether they are there, `monitor setup elasticsearch --print` shows them.
Each carries a version and a digest, by which a change is seen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from monitor.normalise.document_fields import CONTENT, FIELDS, content_mapping, nested
from monitor.normalise.documents import STREAMS
from monitor.sinks.elasticsearch.settings import Config

__all__ = ["VERSION", "Resource", "mappings", "policy_name", "resources", "role", "setup_role", "template_name"]

VERSION = 1
"""Of all of them together; goes up with every change here and in `normalise/document_fields.py`."""

_PRIORITY = 500
"""Above Elasticsearch's own templates (100 to 200)."""
_HOT_PRIORITY = 100
_OWNER = "dify-monitor"
_NS_IN_S = 1_000_000_000


class Resource(NamedTuple):
    """One thing that is installed."""

    kind: str
    """`policy`, `component` or `template`."""
    name: str
    path: str
    """Where it is put, and read back."""
    body: dict[str, Any]

    @property
    def digest(self) -> str:
        """By which one that is installed is compared."""
        inner = self.body["policy"] if self.kind == "policy" else self.body
        return str(inner["_meta"]["digest"])


def policy_name(config: Config) -> str:
    """The lifecycle policy's name."""
    return f"{config.prefix}-lifecycle"


def template_name(config: Config, stream: str) -> str:
    """The index template's name, which is the alias of its indices too."""
    return f"{config.prefix}-{stream}"


def resources(config: Config) -> tuple[Resource, ...]:
    """All that is installed, in the order in which one needs the other."""
    parts = (_policy(config), _settings(config), _mappings(config))
    digests = [each.digest for each in parts]
    return (*parts, *(_template(config, stream, digests) for stream in STREAMS))


def mappings(config: Config) -> dict[str, Any]:
    """The mapping of every index: what is not named is kept and not indexed, so nothing can make it grow."""
    content = dict.fromkeys(CONTENT, content_mapping(config.content_index))
    return {"dynamic": False, "date_detection": False, "properties": _properties(nested_leaves(FIELDS | content))}


def nested_leaves(flat: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Field names to a tree whose leaves are mappings (in tuples, to be told from what is between)."""
    return nested({name: (mapping,) for name, mapping in flat.items()})


def _properties(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        name: dict(node[0]) if isinstance(node, tuple) else {"dynamic": False, "properties": _properties(node)}
        for name, node in sorted(tree.items())
    }


def _policy(config: Config) -> Resource:
    """Age counts from the end of an index's month (its origination date), so that history is history on arrival.

    Nothing here makes an index read-only: facts can come late.
    """
    phases: dict[str, Any] = {
        "hot": {"min_age": "0ms", "actions": {"set_priority": {"priority": _HOT_PRIORITY}}},
        "warm": {"min_age": "30d", "actions": {"set_priority": {"priority": _HOT_PRIORITY // 2}}},
    }
    if config.retention_ns is not None:
        phases["delete"] = {"min_age": f"{config.retention_ns // _NS_IN_S}s", "actions": {"delete": {}}}
    name = policy_name(config)
    return Resource("policy", name, f"/_ilm/policy/{name}", {"policy": _signed({"phases": phases}, versioned=False)})


def _settings(config: Config) -> Resource:
    index = {
        "number_of_shards": config.shards,
        "number_of_replicas": config.replicas,
        "lifecycle": {"name": policy_name(config)},
    }
    return _component(f"{config.prefix}-settings", {"settings": {"index": index}})


def _mappings(config: Config) -> Resource:
    return _component(f"{config.prefix}-mappings", {"mappings": mappings(config)})


def _component(name: str, template: dict[str, Any]) -> Resource:
    return Resource("component", name, f"/_component_template/{name}", _signed({"template": template}))


def _template(config: Config, stream: str, parts: list[str]) -> Resource:
    """Its digest stands for what it is composed of too, so that whoever sees the template alone knows of a change."""
    name = template_name(config, stream)
    body = {
        "index_patterns": [f"{name}-*"],
        "composed_of": [f"{config.prefix}-settings", f"{config.prefix}-mappings"],
        "priority": _PRIORITY,
        "template": {"aliases": {name: {}}},
    }
    return Resource("template", name, f"/_index_template/{name}", _signed(body, parts=parts))


def _signed(body: dict[str, Any], *, parts: Sequence[str] = (), versioned: bool = True) -> dict[str, Any]:
    """The body with who made it, and a digest over all of it and its parts."""
    text = json.dumps([VERSION, body, *parts], sort_keys=True, separators=(",", ":"))
    digest = blake2b(text.encode(), digest_size=8).hexdigest()
    meta = {"managed_by": _OWNER, "version": VERSION, "digest": digest}
    return {**body, **({"version": VERSION} if versioned else {}), "_meta": meta}


def role(config: Config) -> dict[str, Any]:
    """The least that the sink needs: to see that the templates are there, to make indices, to write documents.

    It can neither read nor delete a document, nor change a template. (Elasticsearch lets whoever may index into a plain
    index add fields to its mapping; the sink never does.)
    """
    indices = {
        "names": [f"{template_name(config, stream)}-*" for stream in STREAMS],
        "privileges": ["create_index", "index"],
    }
    return {"cluster": ["monitor"], "indices": [indices]}


def setup_role(config: Config) -> dict[str, Any]:
    """The least that installing needs. Only an update touches indices: it gives those that are there the new fields."""
    indices = {"names": [f"{template_name(config, stream)}-*" for stream in STREAMS], "privileges": ["manage"]}
    return {"cluster": ["manage_ilm", "manage_index_templates", "monitor"], "indices": [indices]}
