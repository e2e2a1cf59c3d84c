"""How fields of the nouns become attributes, for spans and log records alike. Pure, and never raises.

Called by `spans.py`, `note_facts.py` and their kin; which fields those are is theirs to say.
"""

from __future__ import annotations

import math
from typing import Any

from monitor.model import semconv as s
from monitor.model.spans import AttributeValue

__all__ = ["TURN_TEXTS", "Attributes", "Table", "numbers", "provider_name", "resource_of", "texts", "within_time"]

Attributes = dict[str, AttributeValue]

Table = tuple[tuple[str, str], ...]
"""Attribute and field of the noun. A text is left out when empty, a number when None."""

_MAX_INT64 = (1 << 63) - 1
_MAX_NS = _MAX_INT64
"""2262-04-11: the last moment that OTLP's readers with signed 64-bit times can hold."""

# Dify's provider, the last part of `org/plugin/name`, where OpenTelemetry has a word of its own for it.
_PROVIDERS = {
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "groqcloud": "groq",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "x": "x_ai",
}

TURN_TEXTS: Table = (
    (s.DIFY_TRACE_ID, "turn_id"),
    (s.DIFY_TENANT_ID, "tenant_id"),
    (s.DIFY_TENANT_NAME, "tenant_name"),
    (s.DIFY_APP_ID, "app_id"),
    (s.DIFY_APP_NAME, "app_name"),
    (s.DIFY_APP_MODE, "mode"),
    (s.DIFY_INVOKE_FROM, "invoke_from"),
    (s.DIFY_CONVERSATION_ID, "conversation_id"),
    (s.GEN_AI_CONVERSATION_ID, "conversation_id"),
    (s.DIFY_MESSAGE_ID, "message_id"),
    (s.DIFY_WORKFLOW_RUN_ID, "run_id"),
    (s.DIFY_WORKFLOW_ID, "workflow_id"),
    (s.DIFY_WORKFLOW_VERSION, "workflow_version"),
    (s.DIFY_CONFIG_HASH, "config_hash"),
    (s.USER_ID, "user"),
)
"""Whose turn it is: on each of its spans."""


def provider_name(provider: str) -> str:
    """Dify's provider in OpenTelemetry's word for it, else the last part of its own."""
    short = provider.rpartition("/")[2] or provider
    return _PROVIDERS.get(short, short)


def resource_of(service_name: str, environment: str) -> dict[str, str]:
    """OpenTelemetry's resource: Dify, as the configuration names it, and nothing of our own process."""
    named = {s.SERVICE_NAME: service_name, s.DEPLOYMENT_ENVIRONMENT_NAME: environment}
    return {name: value for name, value in named.items() if value}


def texts(found: Attributes, noun: Any, table: Table) -> None:
    """Add the noun's texts that are not empty."""
    for attribute, field in table:
        value = getattr(noun, field)
        if value:
            found[attribute] = value


def numbers(found: Attributes, noun: Any, table: Table) -> None:
    """Add the noun's numbers: whole ones within 64 bits, others only when finite; the wire can't hold the rest."""
    for attribute, field in table:
        value = getattr(noun, field)
        if isinstance(value, float):
            if math.isfinite(value):
                found[attribute] = value
        elif value is not None:
            found[attribute] = min(max(-_MAX_INT64, value), _MAX_INT64)


def within_time(ns: int) -> int:
    """The moment, moved into what every reader of OTLP can hold."""
    return min(max(0, ns), _MAX_NS)
