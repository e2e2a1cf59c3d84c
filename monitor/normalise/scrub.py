"""Credentials that Dify leaves in plain text are taken out before anything is stored.

HTTP nodes keep request headers in `process_data`, plugins put keys into exception texts. This is not redaction of
personal data (that is each sink's edge, `redact.py`): what is masked here never reaches the journal at all.
"""

from __future__ import annotations

import re

__all__ = ["scrub"]

MASK = "[credential]"

_NAME = r"(?:proxy-)?authorization|(?:set-)?cookie|[\w-]{0,40}(?:api[_-]?key|apikey|secret|token|passw(?:or)?d|credential)s?"
# Counters and settings whose names merely look alike: total_tokens, max_tokens, token_count, ...
_HARMLESS = re.compile(
    r"tokens\b|token_(?:count|limit|usage)|(?:prompt|completion|total|max|answer|message)_token", re.IGNORECASE
)

_HEADER = re.compile(rf"((?:^|\n|\\n|\\r)[ \t]*)({_NAME})([ \t]{{0,8}}:[ \t]{{0,8}})([^\r\n\\\"']+)", re.IGNORECASE)
_FIELD = re.compile(rf"""(")({_NAME})("\s{{0,8}}:\s{{0,8}}")((?:[^"\\]|\\.)+)""", re.IGNORECASE)
_FIELD_ESCAPED = re.compile(rf"""(\\")({_NAME})(\\"\s{{0,8}}:\s{{0,8}}\\")((?:[^"\\]|\\\\.)+)""", re.IGNORECASE)
_FIELD_PYTHON = re.compile(rf"""(')({_NAME})('\s{{0,8}}:\s{{0,8}}')((?:[^'\\]|\\.)+)""", re.IGNORECASE)
_QUERY = re.compile(rf"([?&])({_NAME})(=)([^&\s\"'\\<>]+)", re.IGNORECASE)
_SCHEME = re.compile(r"\b(Bearer|Basic)([ \t]+)([A-Za-z0-9._~+/=-]{12,4096})", re.IGNORECASE)
_KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:sk-[A-Za-z0-9_-]{16,200}|(?:app|dataset)-[A-Za-z0-9]{24}(?![A-Za-z0-9])|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,100}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,200}|AIza[0-9A-Za-z_-]{35})"
)
_USERINFO = re.compile(r"(://[^\s/:@\"'\\]{1,200}:)([^\s/@\"'\\]{1,200})(@)")


def _suspicious(text: str) -> bool:
    """Whether any word stands in it that the patterns begin with: a hundred times cheaper, and most texts have none."""
    low = text.lower()
    return (
        "secret" in low or "passw" in low or "authorization" in low or "_key" in low or "-key" in low or "apikey" in low
        or "://" in low or "bearer " in low or "basic " in low or "cookie" in low or "credential" in low
        or "sk-" in low or "app-" in low or "dataset-" in low or "akia" in low or "xox" in low or "aiza" in low
        or "ghp_" in low or "gho_" in low or "ghs_" in low or "ghu_" in low or "ghr_" in low
        # Every model call says `total_tokens`; only other uses of the word are worth a look.
        or low.count("token") > low.count("_tokens")
    )  # fmt: skip


def scrub(text: str) -> str:
    """The text with credentials masked; idempotent, linear in the text's length."""
    if not _suspicious(text):
        return text
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    for pattern in (_HEADER, _FIELD, _FIELD_ESCAPED, _FIELD_PYTHON, _QUERY):
        text = pattern.sub(_mask_value, text)
    text = _KEY.sub(MASK, text)
    return _USERINFO.sub(rf"\1{MASK}\3", text) if "://" in text else text


def _mask_value(match: re.Match[str]) -> str:
    lead, name, middle, value = match.groups()
    if _HARMLESS.search(name) or value.strip().lower() in {"null", "none", "true", "false", MASK}:
        return match.group(0)
    scheme = re.match(r"\s*(?:Bearer|Basic)\s+", value, re.IGNORECASE)
    kept = scheme.group(0) if scheme else ""
    return f"{lead}{name}{middle}{kept}{MASK}"
