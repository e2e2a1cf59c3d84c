r"""Credentials that Dify leaves in plain text are taken out before anything is stored.

HTTP nodes keep request headers in `process_data`, plugins put keys into exception texts. This is not redaction of
personal data (that is each sink's edge, `redact`): what is masked here never reaches the journal at all.

A text is seldom one format: JSON that holds a request as text, that holds JSON. So nothing is parsed. A credential is
known by its name (`"api_key": "..."`, `X-Api-Key: ...`, `token=...`, at any depth of `\"` escapes), by what stands
before it (`Bearer ...`, `https://user:...@`), or by its own shape (`sk-...`). What people write about tokens and
passwords is left alone: after a bare word and a colon only what looks drawn at random is taken.
"""

from __future__ import annotations

import base64
import binascii
import re

__all__ = ["MASK", "scrub"]

MASK = "[credential]"

_WORD = (
    r"(?:api|access|private|auth|secret|subscription|encryption|signing)[_-]?key"
    r"|secret|token|passw(?:or)?d|passphrase|pwd|credential"
)
_NAME = rf"(?P<name>(?:proxy-)?authorization|(?:set-)?cookie|x-auth|x-[\w-]{{1,40}}-key|[\w-]{{0,40}}(?:{_WORD})s?)"
_QUOTE = r"""\\{0,7}["']"""

_FIELDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # "name": "value", 'name': 'value', \"name\": \"value\", "name": ["value"]
        rf"(?P<q>{_QUOTE}){_NAME}(?P=q)\s{{0,8}}:\s{{0,8}}\[?\s{{0,8}}(?P<open>{_QUOTE})",
        # {"key": "name", ..., "value": "value"}, as request builders list headers
        (
            rf"(?P<q>{_QUOTE})(?:key|name|header|field)(?P=q)\s{{0,8}}:\s{{0,8}}(?P=q){_NAME}(?P=q)"
            rf"[^{{}}]{{0,300}}?(?P=q)value(?P=q)\s{{0,8}}:\s{{0,8}}(?P<open>{_QUOTE})"
        ),
        # name='value', as Python and pydantic print arguments
        rf"(?<![\w-]){_NAME}\s?=\s?(?P<open>{_QUOTE})",
    )
)
_LINE = re.compile(
    rf"(?P<lead>(?:^|[\n\"']|\\n|\\r)[ \t]{{0,8}}{_NAME}[ \t]{{0,8}}:[ \t]{{0,8}})(?P<value>[^\r\n\\\"']{{1,8192}})",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(rf"(?P<lead>(?<![\w-]){_NAME}=)(?P<value>[^\s&\"'<>\\,;)}}]{{1,8192}})", re.IGNORECASE)
# pydantic names the field in one line and shows its value in the next.
_INVALID = re.compile(
    rf"(?P<lead>(?:^|\n|\\n)(?:[\w.-]{{1,60}}\.)?{_NAME}(?:\n|\\n)[^\n]{{0,300}}?input_value=)"
    r"(?P<value>.{1,500}?)(?=, input_type=)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(Bearer|Basic)([ \t]+|%20)([A-Za-z0-9._~+/=-]{8,8192})", re.IGNORECASE)
_USERINFO = re.compile(r"(://[^\s/:@\"'\\]{0,200}:)([^\s/@\"'\\]{1,200})(@)")
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sk-(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{16,200}"
    r"|(?:app|dataset)-[A-Za-z0-9]{24}(?![A-Za-z0-9])"
    r"|A(?:KI|SI)A[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|gh[pousr]_[A-Za-z0-9]{36,100}|github_pat_[A-Za-z0-9_]{22,100}|glpat-[A-Za-z0-9_-]{20,100}"
    r"|xox[abeposr]-[A-Za-z0-9-]{10,200}|xapp-[A-Za-z0-9-]{10,200}"
    r"|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,100}"
    r"|eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,4096})"
)
_PEM = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?:[^\"'-]|-(?!----)){1,16384}")
_QUOTES = {quote: re.compile(rf"(?<!\\)(\\*){quote}") for quote in "\"'"}

_NAMED = (
    "secret", "token", "passw", "passphrase", "pwd", "authorization", "x-auth", "cookie", "credential", "_key", "-key",
    "apikey", "accesskey", "privatekey", "authkey", "tionkey", "signingkey",
)  # fmt: skip
_PLAIN = (
    "bearer ", "basic ", "bearer%20", "basic%20", "://", "sk-", "app-", "dataset-", "akia", "asia", "ghp_",
    "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-", "aiza", "hf_", "eyj", "private key-",
)  # fmt: skip
_SUSPICIOUS = re.compile("|".join(map(re.escape, (*(word for word in _NAMED if word != "token"), *_PLAIN))))
_SUSPICIOUS_NAME = re.compile("|".join(map(re.escape, _NAMED)))


def _hints() -> str:
    """One look over a text in any case, for parts of those words that begin with a rare letter.

    Most texts hold none, and this look is nearly all that they cost. What a hint finds is then asked precisely.
    """
    parts = {
        "k": ("ey", "ie", "ia", "-"),
        "z": ("a",),
        "x": ("-auth", "ox", "app-"),
        "c": ("ret", "redenti"),
        "w": ("d", "ord"),
        "b": ("earer", "asic"),
        "g": ("hp_", "ho_", "hu_", "hs_", "hr_", "ithub_pat_", "lpat-"),
        "p": ("hrase",),
        "f": ("_",),
        "y": ("j",),
    }
    tails = {first: "|".join(map(_any_case, rest)) for first, rest in parts.items()}
    words = [f"{case}(?:{tail})" for first, tail in tails.items() for case in (first, first.upper())]
    return "|".join([*words, "T[oO][kK][eE][nN]"])


def _any_case(text: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else re.escape(each) for each in text)


_HINTS = re.compile(_hints())

# Counters and settings whose names merely look alike: total_tokens, max_tokens, stop_token, ...
_HARMLESS = re.compile(
    r"tokens$|(?:prompt|completion|input|output|total|max|min|answer|message|first|per|page|stop|eos|bos|pad|unk|mask)"
    r"[_-]?token$",
    re.IGNORECASE,
)
_NO_VALUE = frozenset({"", "null", "none", "true", "false", "yes", "no", "undefined"})
_ANY_SCHEME = re.compile(r"\s*(?:Bearer|Basic|Token|ApiKey|Digest)[ \t]+", re.IGNORECASE)
_TELLING_NAME = re.compile(r"[_-]|key$", re.IGNORECASE)
_BARE_TOKEN = re.compile(r"tokens?", re.IGNORECASE)
_SHORT, _LONG = 8, 20
_LONGEST = 65_536


def scrub(text: str) -> str:
    """The text with credentials masked; idempotent, linear in the text's length."""
    if not text or not _may_hold_one(text):
        return text
    low = text.lower()
    tokens = low.count("token")
    about_tokens = tokens > 0 and tokens > low.count("_tokens") + low.count("first_token")
    if not about_tokens and _SUSPICIOUS.search(low) is None:
        return text
    if about_tokens or _SUSPICIOUS_NAME.search(low) is not None:
        text = _scrub_named(text)
    return _scrub_plain(text)


def _may_hold_one(text: str) -> bool:
    if _HINTS.search(text) is not None or "://" in text or "pp-" in text or "set-" in text or "SIA" in text:
        return True
    # Every model call says `total_tokens` and `time_to_first_token`; only other uses of the word are worth a look.
    return "token" in text and text.count("token") > text.count("_tokens") + text.count("first_token")


def _scrub_named(text: str) -> str:
    for pattern in _FIELDS:
        text = _mask_fields(pattern, text)
    text = _LINE.sub(_masked_line, text)
    text = _INVALID.sub(_masked_value, text)
    return _ASSIGNED.sub(_masked_value, text)


def _scrub_plain(text: str) -> str:
    text = _SCHEME.sub(_masked_scheme, text)
    text = _USERINFO.sub(rf"\1{MASK}\3", text)
    text = _SHAPES.sub(MASK, text)
    return _PEM.sub(rf"\1{MASK}", text) if "PRIVATE KEY-" in text else text


def _mask_fields(pattern: re.Pattern[str], text: str) -> str:
    """Mask what follows each match up to the quote that closes it."""
    parts: list[str] = []
    at = 0
    for match in pattern.finditer(text):
        start = match.end()
        if match.start() < at or _HARMLESS.search(match["name"]):
            continue
        end = _closing(text, start, match["open"])
        if _is_credential(match["name"], text[start:end]):
            parts += (text[at:start], _mask(text[start:end]))
            at = end
    return "".join((*parts, text[at:])) if parts else text


def _closing(text: str, start: int, opened: str) -> int:
    """Where the quoted value ends; a text that was cut off ends it too.

    A quote of JSON in JSON has 1 backslash, one level deeper 3, then 7; each character of the value that needs a
    backslash has its own before it, so the run before a quote tells whether it closes, belongs to the value, or closes
    what lies around.
    """
    limit = min(len(text), start + _LONGEST)
    depth = len(opened) - 1
    for match in _QUOTES[opened[-1]].finditer(text, start, limit):
        run = len(match[1])
        if run < depth:
            return match.start()
        if run % (2 * (depth + 1)) == depth:
            return match.end() - 1 - depth
    return limit


def _is_credential(name: str, value: str) -> bool:
    """Whether a named, quoted value is one: all are but the empty, switches, and a bare `token` that is a mere word."""
    if value.strip().lower() in _NO_VALUE:
        return False
    return _BARE_TOKEN.fullmatch(name) is None or (len(value) >= _SHORT and " " not in value)


def _masked_value(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if _HARMLESS.search(name) or value.strip("'\"").lower() in _NO_VALUE:
        return match[0]
    return match["lead"] + _mask(value)


def _masked_line(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if _HARMLESS.search(name) or not _is_header_value(name, value):
        return match[0]
    return match["lead"] + _mask(value)


def _is_header_value(name: str, value: str) -> bool:
    """Whether a line "name: value" is a header rather than a sentence."""
    rest = _ANY_SCHEME.sub("", value, count=1).strip()
    if rest.lower() in _NO_VALUE:
        return False
    if any(each.isspace() for each in rest):
        return "=" in rest and name.lower().endswith(("cookie", "authorization"))
    return len(rest) < len(value.strip()) or _TELLING_NAME.search(name) is not None or _looks_drawn(rest)


def _looks_drawn(word: str) -> bool:
    """Whether a word looks drawn at random rather than written: long, or with digits among its letters."""
    return len(word) >= _LONG or (len(word) >= _SHORT and any(each.isdigit() for each in word))


def _masked_scheme(match: re.Match[str]) -> str:
    scheme, gap, value = match.groups()
    known = _is_basic(value) if scheme.lower() == "basic" else _looks_bearer(value)
    return f"{scheme}{gap}{MASK}" if known else match[0]


def _looks_bearer(value: str) -> bool:
    """A word of prose ("bearer authentication") has no digits and is no longer than words are."""
    return len(value) > _LONG or any(each.isdigit() for each in value)


def _is_basic(value: str) -> bool:
    """Whether the text is base64 of `user:password`."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _mask(value: str) -> str:
    """The value masked; the scheme before it stays, and so does a mask."""
    if value.lstrip().startswith(MASK):
        return value
    scheme = _ANY_SCHEME.match(value)
    kept = scheme[0] if scheme else ""
    return value if value[len(kept) :].startswith(MASK) else kept + MASK
