"""Telephone numbers.

Chinese mobiles and landlines are known by their shape; international numbers (with `+`) must have a length that their
country uses; the national numbers of the configured regions must be valid there and written in the groups that are
usual there (both by phonenumbers). Bare digits are no telephone number but for Chinese mobiles, or behind a word such
as 电话 or phone: an order number would be one otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from monitor.normalise.redact.detector import AFTER_CUE, Detector, Need, Seen, Span

__all__ = ["phone_detectors"]

_MASK = "[phone]"
# The first character stands before its lookbehinds, so that the search can skip to the next one that may be it.
_FIRST = r"(?:(?<![A-Za-z0-9].)|(?<=\\u[0-9a-fA-F]{4}.)|(?<=\\[bfnrt].))"
_MOBILE = r"[3-9][0-9](?:[- ]?[0-9]{4}[- ]?|\.[0-9]{4}\.)[0-9]{4}"
_AREA = r"(?:10|2[0-9]|[3-9][0-9]{2})"
_LANDLINE = r"[1-9][0-9]{2,3}[- ]?[0-9]{4}"
_LAST = r"(?![A-Za-z0-9])(?!\.[0-9])(?!-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-)"  # nor where a UUID begins
_CHINESE = re.compile(
    r"[0-9(（](?<![0-9]\.[0-9])(?:"
    rf"(?<=1){_FIRST}{_MOBILE}"
    rf"|(?<=8){_FIRST}6[- ]?1{_MOBILE}"
    rf"|(?<=0){_FIRST}086[- ]?1{_MOBILE}"
    rf"|(?<=[(（])0{_AREA}[)）][- ]?{_LANDLINE}(?:-[0-9]{{1,5}})?"
    rf"|(?<=0){_FIRST}{_AREA}[- ]?{_LANDLINE}(?:-[0-9]{{1,5}})?"
    rf"|(?<=[48]){_FIRST}00(?:([- ])[0-9]{{3}}\1[0-9]{{4}}|[0-9]{{7}})"
    rf"){_LAST}"
)
_INTERNATIONAL = re.compile(
    rf"[+0](?:(?<=\+)(?<![A-Za-z+].)|(?<=0){_FIRST}(?<![.+-].)0(?=[1-9][0-9]{{0,2}}[ -]))"
    rf"[1-9][0-9]{{0,2}}(?:[ .()-]{{0,2}}[0-9]){{6,13}}{_LAST}"
)
_NATIONAL = re.compile(
    r"[0-9(](?<![A-Za-z0-9_.+/:].)(?<![0-9A-Za-z]-.)"
    r"(?:(?<=\()[0-9]{2,5}\) ?|[0-9]{1,4}[ .-])[0-9]{2,8}(?:[ .-][0-9]{2,8}){0,4}+"
    r"(?![A-Za-z0-9_])(?![.:,/-][0-9])(?!-[A-Za-z])"
)
_CUED = re.compile(
    r"(?:电话|电話|電話|手机|手機|座机|座機|固话|传真|傳真|热线|熱線|联系方式|(?<![a-z])tel(?:ephone)?|phone|mobile|cell|fax|whatsapp)"
    rf"(?:(?:号码?|號碼?)|[_ ]?(?:no\.?|num|number))?(?:{AFTER_CUE}|"
    r"""["'\\]{0,4}\s{0,2})["'\\\[]{0,4}"""
    r"([0-9(](?:[ ()-]{0,2}[0-9]){6,14})(?![a-z0-9])(?![.:/][0-9])(?!-[0-9])"
)
_CUES = ("电话", "电話", "電話", "手机", "手機", "座机", "座機", "固话", "传真", "傳真", "热线", "熱線", "联系方式",
         "tel", "phone", "mobile", "cell", "fax", "whatsapp")  # fmt: skip
# What a number is called that is none of a telephone.
_OTHER = re.compile(
    r"(?:(?:order|tracking|invoice|serial|batch|ticket|transaction|receipt|sku|upc|trace|bytes?|memory|size|length|offset"
    r"|duration|elapsed|latency|uptime|count|total|tokens?|timestamp|seed|revision)"
    r"(?:[_ ]?(?:id|no\.?|num|number|ns|us|ms|kb"
    r"|bytes))?|_(?:ns|us|ms|bytes)|#)"
    r"""["'\\]{0,4}\s{0,2}[:=#]?\s{0,2}["'\\]{0,4}$"""
)
_OTHER_CHARS = 32
_DATE = re.compile(r"(?:19|20)[0-9]{2}[ .-]?(?:0[1-9]|1[0-2])[ .-]?(?:[0-2][0-9]|3[01])")
_FEWEST, _MOST = 8, 13
_GROUP = re.compile(r"[0-9]+")


def phone_detectors(regions: Sequence[str]) -> Iterator[Detector]:
    """All of them; `regions` are those whose national numbers are known (CLDR codes, such as US)."""
    yield _International()
    if "CN" in regions:
        yield _Chinese()
    others = [region for region in regions if region != "CN"]
    if others:
        yield _National(others)
    yield _Cued()


class _International:
    """Numbers with a plus."""

    mask = _MASK
    needs: Need = "number"

    def __init__(self) -> None:
        import phonenumbers  # noqa: PLC0415 - only for those who mask

        self._library = phonenumbers

    def find(self, seen: Seen) -> Iterator[Span]:
        """Numbers that are as long as those of their country."""
        known: dict[str, bool] = {}
        for match in _INTERNATIONAL.finditer(seen.text) if "+" in seen.text or "00" in seen.text else ():
            number = match[0]
            if number not in known:
                known[number] = self._is_possible(number)
            if known[number]:
                yield match.span()

    def _is_possible(self, number: str) -> bool:
        try:
            if number.startswith("+"):
                return self._library.is_possible_number(self._library.parse(number))
            return self._library.is_valid_number(self._library.parse("+" + number[2:]))
        except self._library.NumberParseException:
            return False


class _Chinese:
    """Numbers of mainland China."""

    mask = _MASK
    needs: Need = "number"

    def find(self, seen: Seen) -> Iterator[Span]:
        """What has their shape and is not called something else."""
        for match in _CHINESE.finditer(seen.text):
            start = match.start()
            if not (match[0].isdigit() and _OTHER.search(seen.lower, max(0, start - _OTHER_CHARS), start)):
                yield match.span()


class _National:
    """Numbers of some regions, as they are written there."""

    mask = _MASK
    needs: Need = "number"

    def __init__(self, regions: Sequence[str]) -> None:
        import phonenumbers  # noqa: PLC0415 - only for those who mask

        self._library, self._regions = phonenumbers, tuple(regions)

    def find(self, seen: Seen) -> Iterator[Span]:
        """Numbers that are valid in one of the regions."""
        known: dict[str, bool] = {}
        for match in _NATIONAL.finditer(seen.text):
            number = match[0]
            if number not in known:
                known[number] = self._is_one(number)
            if known[number]:
                yield match.span()

    def _is_one(self, number: str) -> bool:
        groups = _GROUP.findall(number)
        if not _FEWEST <= sum(map(len, groups)) <= _MOST or _DATE.match(number):
            return False
        return any(self._is_written_so(number, groups, region) for region in self._regions)

    def _is_written_so(self, number: str, groups: list[str], region: str) -> bool:
        """Whether it is valid in the region, and begins with 0 or has gaps only where people there leave some."""
        try:
            parsed = self._library.parse(number, region)
        except self._library.NumberParseException:
            return False
        if not self._library.is_valid_number_for_region(parsed, region):
            return False
        if groups[0].startswith("0"):
            return True
        usual = self._library.format_number(parsed, self._library.PhoneNumberFormat.NATIONAL)
        return set(accumulate(map(len, groups))) <= set(accumulate(map(len, _GROUP.findall(usual))))


class _Cued:
    """Whatever a text itself calls a telephone number."""

    mask = _MASK
    needs: Need = "number"

    def find(self, seen: Seen) -> Iterator[Span]:
        """Seven to fifteen digits behind such a word, unless they are a date."""
        if any(cue in seen.lower for cue in _CUES):
            for match in _CUED.finditer(seen.lower):
                if not _DATE.match(match[1]):
                    yield match.span(1)
