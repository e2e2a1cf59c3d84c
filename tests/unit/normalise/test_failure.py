"""What an error text means. The texts are Dify's own, its plugins', and the model vendors' that they pass on."""

from __future__ import annotations

import re

import pytest

from monitor.normalise.failure import (
    STOP_PATTERN,
    error_type,
    http_error_type,
    is_failed_answer,
    is_moderation,
    is_stop,
)

_TEXTS = {
    "max_iterations": ["Agent failed to complete the task, maximum iteration limit reached"],
    "quota": [
        "Your quota for Dify Hosted Model Provider has been exhausted. Please go to Settings",
        "Error code: 429 - {'error': {'code': 'insufficient_quota'}}",
    ],
    "rate_limit": [
        '[models] Error: API request failed with status code 429: {"error": "slow down"}',
        "[openai] Rate Limit Error",
        "429 Client Error: Too Many Requests for url: http://x",
    ],
    "auth": [
        "Incorrect API key provided",
        "tool invoke error: HTTP 401: nope",
        "Please check your tool provider credentials",
        "403 Client Error: Forbidden for url",
    ],
    "context_length": ["This model's maximum context length is 8192 tokens"],
    "moderation": ["Your query was blocked by content moderation", "the response was filtered: content_filter", "contains sensitive words"],
    "tool_parameter_error": ["tool parameters validation error: order_id is required"],
    "timeout": ["timed out", "HTTPConnectionPool(host='x'): Read timed out.", "504 Gateway Timeout", "deadline exceeded"],
    "http_5xx": ["[models] Error: API request failed with status code 500: oops", "Request failed with status code 503"],
    "http_4xx": ["Request failed with status code 404"],
    "connection": ['("Connection broken: ConnectionResetError(104)")', "PluginInvokeError: error_type: ConnectionError"],
    "tool_invoke_error": [
        "tool invoke error: the order system is down",
        "Failed to invoke tool: Reached maximum retries (3) for URL http://x/orders/50000/status",
        "there is not a tool named weather",
        "unknown error: KeyError",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in _TEXTS.items() for text in texts])
def test_the_type_of_an_error(kind, text):
    assert error_type(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "order 40123 is not known", "429 rows were read", "column names are case sensitive", "field 401 is missing", "", None,
        "Unterminated string starting at: line 1 column 14 (char 13)",
    ],
)  # fmt: skip
def test_numbers_and_words_that_only_look_alike_are_no_type(text):
    assert error_type(text) == "_OTHER"
    assert error_type(text, default="tool_invoke_error") == "tool_invoke_error"


def test_only_the_beginning_of_a_long_text_is_read():
    assert error_type("x" * 5000 + " rate limit") == "_OTHER"


_STOPS = [
    "Stopped by user.",  # up to 1.8, and 1.9's nodes
    "Stopped by output moderation.",
    "Stopped by annotation reply.",
    "Aborted: User requested stop",  # 1.9 on: the engine's own command
    "Execution cancelled",  # 1.12's nodes
    "Workflow execution aborted",
    "Workflow execution aborted by user command",
    "Max execution time 1200s reached.",  # Dify's limits end a run as a person does
    "Max steps 500 reached.",
    "Aborted: Maximum execution time exceeded: 1201.20s > 1200s",
    "Aborted: Maximum execution steps exceeded: 501 > 500",
]
_NO_STOPS = [
    "", "Failed: stopped by user", "timed out", "Aborted: no such table", "Execution cancelledness", "the user requested stop",
    "Reached maximum retries (3) for URL http://x",
]  # fmt: skip


@pytest.mark.parametrize("text", _STOPS)
def test_dify_says_in_these_words_that_it_was_stopped(text):
    assert is_stop(text)
    assert is_stop(text.upper())


@pytest.mark.parametrize("text", _NO_STOPS)
def test_other_words_are_failures(text):
    assert not is_stop(text)
    assert not is_stop(None)


def test_the_pattern_is_one_that_postgresql_reads_the_same():
    """It is handed to the database as it is, and must not use what only Python's dialect has."""
    assert not re.search(r"\\[a-zA-Z]|\(\?", STOP_PATTERN)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(400, "http_4xx"), (401, "auth"), (403, "auth"), (429, "rate_limit"), (504, "timeout"), (502, "http_5xx")],
)
def test_an_http_status_means_what_a_text_that_names_it_means(status, meaning):
    assert http_error_type(status) == error_type(f"Request failed with status code {status}") == meaning


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ("tool invoke error: x", True),
        ("Unknown error: x", True),
        ("Maximum iteration limit (5) reached.", True),
        ("maximum", False),
        ("The tool said: tool invoke error: x", False),
        ("", False),
    ],
)
def test_an_answer_that_begins_with_a_failure_is_one(answer, failed):
    assert is_failed_answer(answer) == failed


@pytest.mark.parametrize(
    ("text", "moderated"),
    [("Stopped by output moderation.", True), ("Stopped by user.", False), ("", False), (None, False)],
)
def test_moderation_by_its_name(text, moderated):
    assert is_moderation(text) == moderated
