"""Names of people, where a text announces one.

What does is a word (姓名, 患者, my name is), a title (王女士, Dr. Osei), a field (`"patient_name"`), a greeting or a
signature.

A name without any of that is not found; whoever knows the names that must not leave lists them as `words`. How Chinese
names end, as nothing is written between words, is the business of `han_names.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.normalise.redact.detector import AFTER_CUE, ByPattern, Detector, Need, Seen, Span
from monitor.normalise.redact.han_names import LONGEST, name_before_title, name_end
from monitor.normalise.redact.no_names import is_nobody

__all__ = ["name_detectors"]

_MASK = "[name]"

# -- Chinese

_SAYS = ("我的名字叫", "我的名字是", "我叫", "本人叫", "名叫")
_ROLES = [
    "姓名",
    "名字",
    "收货人",
    "收件人",
    "寄件人",
    "发件人",
    "联系人",
    "签收人",
    "持卡人",
    "户名",
    "申请人",
    "经办人",
    "投保人",
    "被保险人",
    "受益人",
    "监护人",
    "法定代表人",
    "法人代表",
    "法人",
    "就诊人",
    "乘客",
    "乘机人",
    "入住人",
    "借款人",
    "担保人",
    "负责人",
    "代理人",
    "委托人",
    "检验者",
    "审核人",
    "操作员",
    "客户经理",
    "患者",
    "病人",
    "家属",
    "客户",
    "顾客",
    "患儿",
    "产妇",
    "联系",
]
_NEEDS_MORE = frozenset({"联系", "法人"})
"""Words that say so only with a colon or the like behind them."""
_SOMETIMES = frozenset(
    {"患者", "病人", "家属", "客户", "顾客", "患儿", "产妇", "联系", "负责人", "法人", "审核人", "操作员"}
)
"""Words behind which often stands what is no name: there, one must begin with a surname."""
_HAN_FORM = (
    r"(?:姓名|名字|收货人|收件人|寄件人|发件人|联系人|签收人|持卡人|申请人|经办人|投保人|受益人|监护人|就诊人|乘客|乘机人|入住人"
    r"|借款人|担保人|患者|负责人)"
    rf"(?:姓名|名字)?{AFTER_CUE}"
)
# Every alternative begins with a character of its own, so that the search can skip to one of them.
_HAN_CUE = re.compile(
    f"({'|'.join((*_SAYS, *_ROLES))})"
    r"(?:(?:姓名|名字)?([\"'\\]{0,4}\s{0,4}(?:[:=：]|(?:是|为|叫)[:：]?)\s{0,4}[\"'\\]{0,4}))?(?=[㐀-鿿])"
)
_I_AM = re.compile(r"(?:我是|我就是|本人)(?=[㐀-鿿]{2,4}(?![㐀-鿿\[]))")
_TITLE = re.compile(r"先生(?![成效产活存命])|女士|小姐|太太|医生|大夫|护士|老师|主任|经理|教授|律师")
_SURE = frozenset({"先生", "女士", "小姐", "太太"})

# -- Latin letters

_WORD = r"(?:[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ]{0,30}(?:['’-][A-Za-zÀ-ÖØ-öø-ÿ]{1,30}){0,2}|[A-Z]\.)"
_NAME = rf"{_WORD}(?: {_WORD}){{0,3}}"
_TWO = rf"{_WORD}(?: {_WORD}){{1,3}}"
_AFTER = r"(?![A-Za-z0-9_@])"
_NOT_ONE = (
    r"(?!(?:Customer|Sir|Madam|Team|All|Support|User|Friend|Friends|Colleague|Colleagues|Hiring|Valued|Null|None|True"
    r"|False|Unknown|Test|The|This|Not|Sorry|Happy|Sure|Having|Trying|Using|Looking|From)\b)"
)
_TITLED = re.compile(
    rf"[MDPSHF](?<![A-Za-z].)(?:r|rs|s|x|iss|me|adam|rof|ir|err|rau)\.? {{1,2}}({_NOT_ONE}{_NAME}){_AFTER}"
)
_SAID = re.compile(
    r"(?<![A-Za-z])(?:"
    r"(?i:my (?:full |legal |first |last )?name(?: is|'s)|name's|i am called|call me|hello,? i am)"
    rf"\s{{1,2}}({_NOT_ONE}{_NAME})|(?:I(?:'m| am|’m)|(?i:this is))\s{{1,2}}({_NOT_ONE}{_TWO})"
    rf"|(?i:this is)\s{{1,2}}({_NOT_ONE}{_WORD})(?= (?:speaking|from|here|calling|again)\b)){_AFTER}"
)
_LOWER_SAID = re.compile(
    r"my name(?: is|'s)\s{1,2}([a-z]{2,20}(?: (?!and\b|but\b|i\b|from\b|my\b|the\b|on\b|with\b|please\b|not\b)"
    r"[a-z]{2,20})?)(?![a-z0-9_@])"
)
_LABELLED = re.compile(
    r"(?<![A-Za-z_])(?i:"
    r"(?:(?:customer|patient|contact|full|legal|client|guest|passenger|account|holder|cardholder|payee)"
    r"(?:'s)?[ _])?name|patient|cardholder|card holder|holder|applicant|passenger|payee|beneficiary|contact|attn"
    r"|attention)"
    r"\s?[:=]\s{0,3}"
    rf"[\"'\\]{{0,4}}({_NOT_ONE}{_NAME}){_AFTER}"
)
_GREETED = re.compile(rf"D(?<![A-Za-z].)(?:ear|EAR) ({_NOT_ONE}{_NAME})(?=\s{{0,2}}[,:!\n])")
_SIGNED = re.compile(
    r"(?i:regards|wishes|sincerely|cheers|yours (?:truly|faithfully)|thanks|thank you)[,.!]?\s{0,3}\n\s{0,4}"
    rf"({_NOT_ONE}{_NAME})(?=\s{{0,3}}(?:\n|$))"
)

# -- fields

_WHOSE = (
    r"patient|customer|client|contact|full|first|last|middle|given|family|real|user|sender|recipient|receiver"
    r"|card_?holder|account_?holder|holder|payee|payer|passenger|guest|member|employee|student|owner|beneficiary|doctor"
    r"|legal|nick|display|applicant|consignee"
)
_FIELD = re.compile(
    r"(?P<quote>\\{0,7}\")"
    rf"(?i:(?:{_WHOSE})[_ -]?name|card_?holder|passenger|payee|surname|[㐀-鿿]{{0,5}}姓名"
    r"|联系人|收件人|收货人|寄件人|持卡人|户名|法定代表人)"
    r"(?P=quote)\s{0,4}:\s{0,4}(?P=quote)(?P<value>[^\"\\]{1,80})(?=(?P=quote))"
)
_SET = re.compile(rf"(?<![A-Za-z0-9_])(?i:(?:{_WHOSE})[_ -]?)?[Nn]ame=[\"'\\]{{0,4}}({_NAME}){_AFTER}")
_HAN_SET = re.compile(
    rf"(?<![A-Za-z0-9_])(?i:(?:(?:{_WHOSE})[_ -]?)?name|customer|contact|patient|recipient)"
    r"\s?[:=：]\s{0,3}[\"'\\]{0,4}(?=[㐀-鿿])"
)
# A name's fields that may as well be a thing's; and a word before `name` that says so.
_MAYBE_FIELD = re.compile(
    r"(?P<quote>\\{0,7}\")(?i:name|customer|client|user|contact|owner|recipient|客户|用户|顾客|患者|名字)(?P=quote)"
    r"\s{0,4}:\s{0,4}(?P=quote)(?P<value>[^\"\\\[\]{}]{2,60})(?=(?P=quote))"
)
_PERSON = re.compile(f"{_NOT_ONE}{_TWO}")
_SOMEBODY = re.compile(r"\[(?:phone|email|id|card)\]")
_NEAR = 160
_OF_A_THING = re.compile(
    r"(?:server|host|domain|file|table|field|column|product|project|company|app|model|tool|node|event|class|method|function"
    r"|package|module|database|db|service|dataset|workflow|bucket|queue|topic|image|container|cluster|branch|repo)[ -]$"
)
_THING_CHARS = 12
_HAN_LATIN = re.compile(rf"{_HAN_FORM}({_NOT_ONE}{_NAME}){_AFTER}")


def name_detectors() -> Iterator[Detector]:
    """All of them."""
    yield _Fields()
    yield _HanCues()
    yield _HanTitles()
    yield ByPattern(_MASK, _TITLED, needs="latin")
    yield _Said()
    yield ByPattern(_MASK, _LOWER_SAID, "my name", needs="latin", lower=True)
    yield _Labelled(_LABELLED, "name", "patient", "holder", "applicant", "passenger", "payee", "beneficiary",
                    "contact", "attn", "attention")  # fmt: skip
    yield _Labelled(_SET, "name")
    yield _HanValues()
    yield _LatinValues()
    yield _MaybeFields()
    yield ByPattern(_MASK, _GREETED, "dear", needs="latin")
    yield ByPattern(_MASK, _SIGNED, "regards", "wishes", "sincerely", "cheers", "yours", "thank", needs="latin")


class _Fields:
    """Fields of JSON that hold a name, at any depth of JSON in JSON."""

    mask = _MASK
    needs: Need = "anything"

    def find(self, seen: Seen) -> Iterator[Span]:
        """The whole value, in whatever letters."""
        text, lower = seen.text, seen.lower
        if '"' in text and ("name" in lower or "人" in text or "姓名" in text or "户名" in text or "holder" in lower
                            or "passenger" in lower or "payee" in lower):  # fmt: skip
            for match in _FIELD.finditer(text):
                value = match["value"]
                if not is_nobody(value) and not value.startswith("["):
                    yield match.span("value")


class _Said:
    """What somebody says of themselves in English."""

    mask = _MASK
    needs: Need = "latin"

    def find(self, seen: Seen) -> Iterator[Span]:
        """The name behind it: of `I'm` only one of two words, as it is more often followed by other things."""
        lower = seen.lower
        if (
            "name" in lower
            or "i'm" in lower
            or "i am" in lower
            or "i’m" in lower
            or "this is" in lower
            or "call me" in lower
        ):
            for match in _SAID.finditer(seen.text):
                group = match.lastindex or 0
                named = group == 1 and " " in match[group]  # somebody says so themselves, and `April Page` is a name
                if named or not is_nobody(match[group]):
                    yield match.span(group)


class _Labelled:
    """A Latin name behind a label."""

    mask = _MASK
    needs: Need = "latin"

    def __init__(self, pattern: re.Pattern[str], *hints: str) -> None:
        self._pattern, self._hints = pattern, hints

    def find(self, seen: Seen) -> Iterator[Span]:
        """Unless the label is a thing's, or what stands there is no name."""
        if any(hint in seen.lower for hint in self._hints):
            for match in self._pattern.finditer(seen.text):
                start = match.start()
                if not is_nobody(match[1]) and not _OF_A_THING.search(seen.lower, max(0, start - _THING_CHARS), start):
                    yield match.span(1)


class _HanValues:
    """A Chinese name behind an English label."""

    mask = _MASK
    needs: Need = "han"

    def find(self, seen: Seen) -> Iterator[Span]:
        """It must begin with a surname, and end where names do."""
        for match in _HAN_SET.finditer(seen.text):
            start = match.end()
            end = name_end(seen.text, start, loose=False)
            of_a_thing = _OF_A_THING.search(seen.lower, max(0, match.start() - _THING_CHARS), match.start())
            if end is not None and not of_a_thing and not is_nobody(seen.text[start:end]):
                yield start, end


class _LatinValues:
    """A Latin name behind a Chinese label."""

    mask = _MASK
    needs: Need = "han"

    def find(self, seen: Seen) -> Iterator[Span]:
        """Of one word or more."""
        for match in _HAN_LATIN.finditer(seen.text):
            if not is_nobody(match[1]):
                yield match.span(1)


class _MaybeFields:
    """Fields of JSON such as `name` or `customer`, which are not always a person's."""

    mask = _MASK
    needs: Need = "anything"

    def find(self, seen: Seen) -> Iterator[Span]:
        """A Chinese name; or a Latin one beside a telephone number or the like, which other detectors have masked."""
        for match in _MAYBE_FIELD.finditer(seen.text) if '"' in seen.text else ():
            value = match["value"]
            start, end = match.span("value")
            is_han = len(value) <= LONGEST and name_end(value, 0, loose=False) == len(value)
            if not is_nobody(value) and (
                is_han or (_PERSON.fullmatch(value) and _beside_somebody(seen.text, start, end))
            ):
                yield start, end


def _beside_somebody(text: str, start: int, end: int) -> bool:
    """Whether the same object, as far as it is near, says more of somebody."""
    before = re.split(r"[{}]", text[max(0, start - _NEAR) : start])[-1]
    after = re.split(r"[{}]", text[end : end + _NEAR])[0]
    return _SOMEBODY.search(before) is not None or _SOMEBODY.search(after) is not None


class _HanCues:
    """Chinese names behind a word that announces one."""

    mask = _MASK
    needs: Need = "han"

    def find(self, seen: Seen) -> Iterator[Span]:
        """With a colon or the like between, two to four characters that stand alone are a name, too."""
        text = seen.text
        last = 0
        for start, apart, says, sure in _announced(text):
            end = name_end(text, start, loose=says or apart)
            if end is None and apart and sure:
                end = _alone(text, start)
            if end is not None and start >= last and not is_nobody(text[start:end]):
                last = end
                yield start, end


def _announced(text: str) -> Iterator[tuple[int, bool, bool, bool]]:
    """Where a name may begin; whether something stands between it and the word; whether somebody says their own.

    Last, whether nothing else stands behind the word.
    """
    found = [
        (match.end(), bool(match[2]), match[1] in _SAYS, match[1] not in _SOMETIMES)
        for match in _HAN_CUE.finditer(text)
        if match[2] or match[1] not in _NEEDS_MORE
    ]
    found += [(match.end(), False, False, True) for match in _I_AM.finditer(text)]
    return iter(sorted(found))


# No mask may end it: what stands before one would be a name only once it is masked.
_ALONE = re.compile(r"[㐀-鿿]{2,4}(?:[·•][㐀-鿿]{1,8}){0,3}(?![㐀-鿿\[])")


def _alone(text: str, start: int) -> int | None:
    match = _ALONE.match(text, start)
    return match.end() if match else None


def _is_nobody_before(text: str, start: int, title: int) -> bool:
    """Whether what stands before a title is a word of its own, also where only its end looks like a name."""
    return any(is_nobody(text[place:title]) for place in range(max(0, title - 2), start + 1))


class _HanTitles:
    """Chinese names before a title."""

    mask = _MASK
    needs: Need = "han"

    def find(self, seen: Seen) -> Iterator[Span]:
        """A surname at least; whatever title may be a word's end needs something before the name that ends a word."""
        text = seen.text
        last = 0
        for match in _TITLE.finditer(text):
            start = name_before_title(text, max(last, match.start() - LONGEST), match.start(), sure=match[0] in _SURE)
            if start is not None and not _is_nobody_before(text, start, match.start()):
                last = match.end()
                yield start, match.start()
