r"""The masking behind `redacted`: personal data and keys in a text.

Masked are e-mail addresses (`[email]`), telephone numbers (`[phone]`: international with `+`, Chinese mobiles and
landlines, North American) and keys (`[key]`: well-known prefixes, what follows Bearer or Basic, long values after
words such as key, token, secret or password, user information in URLs, private key blocks).
Not masked: names, postal addresses, IP addresses, identity card numbers, order numbers, UUIDs, times. Whoever must
not send those chooses `none`. This is no scrubbing of credentials before they are stored, which comes earlier.

Every pattern does work that is linear in the text: repeats are possessive or bounded, and a pattern starts once per
run of characters. Chinese text has no spaces, so word boundaries are asked for in ASCII only, and a JSON escape such
as `\u8bdd` or `\n` before a number or an address is known for what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["redact"]

_EMAIL, _PHONE, _KEY = "[email]", "[phone]", "[key]"

# Where a number or key may start: not inside another word, but well behind a JSON escape.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\u[0-9a-fA-F]{4})|(?<=\\[bfnrt]))"
_KEY_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\u[0-9a-fA-F]{4})|(?<=\\[bfnrt]))"
# At least one digit among the first letters: English words are no keys.
_HAS_DIGIT = r"(?=[A-Za-z_.~+/-]{0,64}[0-9=])"
_HAS_LETTER = r"(?=[0-9_.~+/=-]{0,64}[A-Za-z])"
_NO_UUID = r"(?![0-9a-fA-F]{8}-[0-9a-fA-F]{4}-)"
_BETWEEN = r"""["'\\]{0,4}\s{0,4}(?:[:=：]|是|为)\s{0,4}["'\\]{0,4}"""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"[A-Za-z0-9+/=\s\\:,]*+(?:-(?!----)[A-Za-z0-9+/=\s\\:,]*+)*+"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_USERINFO = re.compile(r"(?<=://)[A-Za-z0-9!$%&()*+.:;=_~-]{1,256}+@")
_PREFIXED = re.compile(
    _KEY_START + r"(?:"
    rf"(?:sk|pk|rk)-{_HAS_DIGIT}[A-Za-z0-9_-]{{16,}}+"
    r"|(?:app|dataset)-[A-Za-z0-9]{16,}+"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}+(?![0-9A-Za-z])"
    r"|gh[pousr]_[A-Za-z0-9]{20,}+"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}+"
    r"|AIza[0-9A-Za-z_-]{35,}+"
    r"|eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?"
    r")"
)
_SCHEME = re.compile(rf"({_START}(?:Bearer|Basic)[ \t]{{1,8}}){_HAS_DIGIT}[A-Za-z0-9._~+/=-]{{8,}}+", re.IGNORECASE)
# The first letter stands alone, in both cases: the search can then skip to it.
_NAMED = re.compile(
    r"([aAkKsStT密令](?:(?:(?<=K)(?<![A-Z].)|(?<=[kK])(?<![A-Za-z].))(?i:ey)|(?i:pi_?key|ccess_?key|ecret|oken)|钥|牌)"
    rf"{_BETWEEN}){_NO_UUID}{_HAS_DIGIT}{_HAS_LETTER}[A-Za-z0-9._~+/=-]{{16,}}+"
)
_PASSWORD = re.compile(
    rf"((?:passw(?:or)?d|passphrase|pwd|密码|口令){_BETWEEN})"
    r"(?=[A-Za-z]{0,64}[0-9!#$%&()*+./:;<=>?@^_`{|}~-])[0-9A-Za-z!#$%&()*+./:;<=>?@^_`{|}~-]{6,}+",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(\\{1,8}(?:u[0-9a-fA-F]{4}|[bfnrt])|(?<![A-Za-z0-9._%+-]))"
    r"(?:[A-Za-z0-9._%+-]++[@＠](?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9]))+"
)
# The first character stands before its lookbehinds, so that the search can skip to the next one that may be it.
_FIRST = r"(?:(?<![A-Za-z0-9].)|(?<=\\u[0-9a-fA-F]{4}.)|(?<=\\[bfnrt].))"
_MOBILE = r"[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}"
_NUMBER = re.compile(
    r"[0-9+(（](?<![0-9]\.[0-9])(?:"
    rf"(?<=1){_FIRST}{_MOBILE}"
    rf"|(?<=8){_FIRST}6[- ]?1{_MOBILE}"
    rf"|(?<=0){_FIRST}086[- ]?1{_MOBILE}"
    r"|(?<=\+)(?<!\+\+)[1-9][0-9]{0,2}(?:[ .()-]{0,2}[0-9]){6,13}"
    r"|(?<=[(（])0[0-9]{2,3}[)）][- ]?[0-9]{7,8}(?:-[0-9]{1,5})?"
    rf"|(?<=0){_FIRST}[0-9]{{2,3}}[- ][0-9]{{7,8}}(?:-[0-9]{{1,5}})?"
    rf"|(?<=[48]){_FIRST}00-[0-9]{{3}}-[0-9]{{4}}"
    r"|(?<=\()[2-9][0-9]{2}\) ?[0-9]{3}-[0-9]{4}"
    rf"|(?<=[2-9]){_FIRST}[0-9]{{2}}-[0-9]{{3}}-[0-9]{{4}}"
    r")(?![A-Za-z0-9])(?!\.[0-9])(?!-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-)"  # nor where a UUID begins
)
_MANY_DIGITS = re.compile(r"[0-9]{3}")


def _number_mask(match: re.Match[str]) -> str:
    """The mask of a number; in quotes where the number was a bare JSON value, so that the JSON stays JSON."""
    before = match.string[max(0, match.start() - 12) : match.start()].rstrip()
    after = match.string[match.end() : match.end() + 12].lstrip()
    is_value = before.endswith('":') and not before.endswith('\\":') and after.startswith((",", "}"))
    return f'"{_PHONE}"' if is_value else _PHONE


_GITHUB = ("ghp_", "gho_", "ghs_", "ghu_", "ghr_")


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    mask: str | Callable[[re.Match[str]], str]
    hints: tuple[str, ...]
    """The pattern can't match where none of these is in the lower-cased text: most texts hold none, and to look for
    a word is much cheaper than to try a pattern everywhere."""


_RULES = (
    _Rule(_PRIVATE_KEY, _KEY, ("private key",)),
    _Rule(_USERINFO, f"{_KEY}@", ("://",)),
    _Rule(_SCHEME, rf"\1{_KEY}", ("bearer", "basic")),
    _Rule(_PREFIXED, _KEY, ("k-", "app-", "dataset-", "akia", "asia", *_GITHUB, "xox", "aiza", "eyj")),
    _Rule(_NAMED, rf"\1{_KEY}", ("key", "secret", "token", "密钥", "令牌")),
    _Rule(_PASSWORD, rf"\1{_KEY}", ("passw", "passphrase", "pwd", "密码", "口令")),
    _Rule(_ADDRESS, rf"\1{_EMAIL}", ("@", "＠")),
)


def redact(text: str) -> str:
    """The text with addresses, numbers and keys masked. Masking twice changes nothing more."""
    lower = text.lower()
    for pattern, mask, hints in _RULES:
        if any(hint in lower for hint in hints):
            text = pattern.sub(mask, text)
    return _NUMBER.sub(_number_mask, text) if _MANY_DIGITS.search(text) else text
