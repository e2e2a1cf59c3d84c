"""What an error text means: a low-cardinality type for labels, and whether somebody stopped it.

The texts are Dify's and its plugins' (0.15 to 1.12, as recorded) and the model vendors' that they pass on.
"""

from __future__ import annotations

import re

__all__ = ["error_type", "is_stop"]

_HEAD_CHARS = 4000
"""Error texts can hold whole responses; what they mean stands in their beginning."""

_PATTERNS = {
    "max_iterations": r"maximum iteration|AgentMaxIterationError",
    "quota": r"quota .{0,60}exhausted|insufficient_quota|exceeded your current quota|QuotaExceeded",
    "rate_limit": r"\b429\b|rate.?limit|too many requests|TooManyRequests",
    "auth": (
        r"\b401\b|\b403\b|incorrect api key|invalid api key|unauthori[sz]ed|check your tool provider credentials"
        r"|InvokeAuthorizationError|CredentialsValidate"
    ),
    "context_length": r"context.{0,20}length|maximum context|too many tokens",
    "moderation": r"moderation|content.?filter|sensitive",
    "tool_parameter_error": r"tool parameters validation error|ToolParameterValidationError",
    "timeout": r"timed? ?out|timeout|deadline exceeded",
    "http_5xx": r"status code:? 5\d\d|Server Unavailable|InvokeServerUnavailable|internal server error",
    "http_4xx": r"status code:? 4\d\d|InvokeBadRequest",
    "connection": (
        r"connection (?:broken|error|refused|reset|aborted)|ConnectionError|ChunkedEncodingError|max retries exceeded"
        r"|name resolution"
    ),
    "tool_invoke_error": (
        r"tool invoke error|failed to invoke tool|reached maximum retries|ToolInvokeError|PluginInvokeError"
        r"|there is not a tool named|unknown error"
    ),
}
"""In the order in which they are asked: the first that fits is the most telling."""

_TYPES = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _PATTERNS.items())

_STOP = re.compile(
    r"^(Workflow execution )?(stopped by user|aborted: user requested stop|execution cancell?ed|cancell?ed by user)\b",
    re.IGNORECASE,
)


def error_type(text: str | None, *, default: str = "_OTHER") -> str:
    """The bounded word for an error text; `default` where no pattern knows it, empty text included."""
    head = (text or "")[:_HEAD_CHARS]
    return next((name for name, pattern in _TYPES if pattern.search(head)), default)


def is_stop(text: str | None) -> bool:
    """Whether the text is Dify's own for "a person, or its limit, stopped this"."""
    return _STOP.match((text or "").strip()[:200]) is not None
