"""What an error text means: a low-cardinality type for labels, and whether somebody stopped it.

The texts are Dify's and its plugins' (0.15 to 1.17) and the model vendors' that they pass on.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "FAILED_ANSWERS",
    "STOP_PATTERN",
    "error_type",
    "http_error_type",
    "is_failed_answer",
    "is_moderation",
    "is_stop",
]

_HEAD_CHARS = 4000
"""Error texts can hold whole responses; what they mean stands in their beginning."""


def _http(*codes: str) -> str:
    """An HTTP status that the text calls one: "status code: 429", "HTTP 401", "Error code: 403", "404 Client Error".

    A bare number is none: orders and rows have numbers too.
    """
    number = f"(?:{'|'.join(codes)})"
    return rf"(?:status|code|http|error)\W{{0,3}}(?:code\W{{0,3}})?{number}\b|\b{number} (?:client|server) error"


_PATTERNS = {
    "max_iterations": r"maximum iteration|AgentMaxIterationError",
    "quota": r"quota .{0,60}exhausted|insufficient_quota|exceeded your current quota|QuotaExceeded",
    "rate_limit": rf"rate.?limit|too many requests|TooManyRequests|{_http('429')}",
    "auth": (
        r"incorrect api key|invalid api key|unauthori[sz]ed|check your tool provider credentials"
        rf"|InvokeAuthorizationError|CredentialsValidate|{_http('401', '403')}"
    ),
    "context_length": r"context.{0,20}length|maximum context|too many tokens",
    "moderation": r"moderation|content.?filter|content.?management.?policy|sensitive (?:content|words?|information)",
    "tool_parameter_error": r"tool parameters validation error|ToolParameterValidationError",
    "timeout": rf"timed? ?out|timeout|deadline exceeded|{_http('408', '504')}",
    "http_5xx": rf"Server Unavailable|InvokeServerUnavailable|internal server error|{_http('5[0-9][0-9]')}",
    "http_4xx": rf"InvokeBadRequest|{_http('4[0-9][0-9]')}",
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

STOP_PATTERN = (
    r"^(workflow execution aborted|(workflow execution )?"
    r"(stopped by (user|annotation reply|output moderation|input moderation|unknown reason)"
    r"|(aborted: )?user requested stop|aborted: maximum execution (time|steps) exceeded"
    r"|max (execution time|steps) [0-9.]+s? reached|execution cancell?ed|cancell?ed by user))"
    r"([^a-z]|$)"
)
"""Dify's own words for "a person, or its limit, stopped this". Reads the same in Python and in PostgreSQL; any case."""

_STOP = re.compile(STOP_PATTERN, re.IGNORECASE)
_MODERATION = re.compile("moderation", re.IGNORECASE)

FAILED_ANSWERS = (
    "tool invoke error:",
    "there is not a tool named",
    "tool parameters validation error:",
    "unknown error:",
    "maximum iteration limit",
)
"""How a tool's answer to its model begins (in lower case) where the tool failed and nothing else says so."""
_FAILED_ANSWER_CHARS = max(map(len, FAILED_ANSWERS))


def error_type(text: str | None, *, default: str = "_OTHER") -> str:
    """The bounded word for an error text; `default` where no pattern knows it, empty text included."""
    return (_type_of(text[:_HEAD_CHARS]) if text else "") or default


@lru_cache(maxsize=256)
def _type_of(head: str) -> str:
    """Remembered: a turn says its error up to three times, and errors come in showers."""
    return next((name for name, pattern in _TYPES if pattern.search(head)), "")


def http_error_type(status: int) -> str:
    """The bounded word for an HTTP status of 400 and above."""
    return error_type(f"status code: {status}", default="http_5xx")


def is_failed_answer(answer: str) -> bool:
    """Whether what a tool answered to its model is a failure by its own words."""
    return answer[:_FAILED_ANSWER_CHARS].lower().startswith(FAILED_ANSWERS)


def is_moderation(text: str | None) -> bool:
    """Whether the text says that a moderation stepped in."""
    return text is not None and _MODERATION.search(text[:_HEAD_CHARS]) is not None


def is_stop(text: str | None) -> bool:
    """Whether the text is Dify's own for "a person, or its limit, stopped this"."""
    return text is not None and _STOP.match(text) is not None
