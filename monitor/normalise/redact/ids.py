"""Identity numbers that have check digits, or a writing of their own, or a word before them that says what they are.

By check digit (python-stdnum, but for the last two): Chinese resident identity cards (date and place of birth, too) and
unified social credit codes; Korean resident numbers; Aadhaar, in fours; Brazilian CPF, with its points; Spanish DNI
and NIE; Italian codici fiscali; French NIR; identity cards of Hong Kong and Taiwan. By writing: US social security
numbers with hyphens, in the ranges that are given out. Behind a word such as 身份证号, 护照, SSN or passport: anything
with digits, valid or not, since a mistyped number is still somebody's.

Numbers of many countries are plain digits with a weak check (one of ten or eleven passes): those are only looked for
behind such a word, or every order number would be at risk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from monitor.normalise.redact.detector import AFTER_CUE, ByPattern, Detector, Need, Seen, Span
from monitor.normalise.redact.numbers import BEGIN, END, plain

__all__ = ["id_detectors"]

_MASK = "[id]"

_Checks = Sequence[tuple[re.Pattern[str], Callable[[str], bool]]]
"""How such a number is written, and what says whether it is one."""

_TOKEN = re.compile(r"[0-9A-Z](?<![A-Za-z0-9_.-].)[0-9A-Zx.-]{6,24}(?:[(（][0-9A][)）]|(?![A-Za-z0-9_]))")
_GROUPED = re.compile(
    rf"[1-9]{BEGIN}(?:[0-9]{{5}}([ -])(?:19|20)[0-9]{{6}}\1[0-9]{{3}}[0-9Xx]"
    r"|[0-9]{3} [0-9]{4} [0-9]{4}(?! ?[0-9])"
    r"| [0-9]{2} (?:0[1-9]|1[0-2]) (?:[0-9]{2}|2[AB]) [0-9]{3} [0-9]{3} [0-9]{2}"
    rf"){END}"
)
_CUED = re.compile(
    r"(?:身份证(?:号码?|编号)?|身份證(?:號碼?)?|证件(?:号码?|编号)|護照(?:號碼?)?|护照(?:号码?)?|社保(?:卡)?号码?|通行证号码?"
    r"|税号|id_?card(?:_?(?:no|number))?|(?<![a-z])ssn|social security (?:number|no\.?)"
    r"|passport(?:_?(?: ?no\.?| ?number))?|national id(?: number)?|nhs (?:number|no\.?)|(?<![a-z])sin(?![a-z])"
    r"|social insurance number|steuer-?id|(?<![a-z])pesel|(?<![a-z])bsn|personnummer)"
    rf"(?:{AFTER_CUE}|\s{{0,4}}[(（:：]?\s{{0,4}})"
    r"((?=[a-z-]{0,3}[0-9])(?=(?:[ -]?[a-z]{0,3}[ -]?[0-9]){4})"
    r"[a-z0-9](?:[ -]?[a-z0-9]){4,20}(?<![^0-9x][a-z]))(?![a-z0-9])"
)
_CUES = ("证", "證", "護照", "护照", "社保", "税号", "id", "ssn", "social", "passport", "nhs", "sin", "steuer", "pesel",
         "bsn", "personn")  # fmt: skip
_HK_MODULUS, _TEN = 11, 10
_TW_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
"""In the order of their values, from 10."""


class _Checked:
    """Candidates of one writing, and what decides."""

    mask = _MASK
    needs: Need = "number"

    def __init__(self, candidate: re.Pattern[str], checks: _Checks) -> None:
        self._candidate, self._checks = candidate, checks

    def find(self, seen: Seen) -> Iterator[Span]:
        """Candidates that are valid."""
        for match in self._candidate.finditer(seen.text):
            token = match[0].rstrip(".-")
            if any(shape.fullmatch(token) and is_valid(token) for shape, is_valid in self._checks):
                yield match.start(), match.start() + len(token)


def id_detectors() -> Iterator[Detector]:
    """All of them."""
    yield _Checked(_TOKEN, _tokens())
    yield _Checked(_GROUPED, _groups())
    yield ByPattern(_MASK, _CUED, *_CUES, needs="number", lower=True)


def _tokens() -> _Checks:
    """Those that are written without a space."""
    from stdnum.br import cpf  # noqa: PLC0415 - only for those who mask
    from stdnum.cn import ric, uscc  # noqa: PLC0415
    from stdnum.es import dni, nie  # noqa: PLC0415
    from stdnum.fr import nir  # noqa: PLC0415
    from stdnum.it import codicefiscale  # noqa: PLC0415
    from stdnum.kr import rrn  # noqa: PLC0415
    from stdnum.us import ssn  # noqa: PLC0415

    shapes: tuple[tuple[str, Callable[[str], bool]], ...] = (
        (r"[1-8][0-9]{16}[0-9Xx]", ric.is_valid),
        (r"[1-8][0-9]{5}-(?:19|20)[0-9]{6}-[0-9]{3}[0-9Xx]", _ungrouped(ric.is_valid)),
        # Codes of digits alone exist, but are too much like order numbers.
        (r"(?=[0-9]{0,17}[A-Z])[1-9A-GY][1-59][0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", uscc.is_valid),
        (r"[0-9]{3}-[0-9]{2}-[0-9]{4}", ssn.is_valid),
        (r"[0-9]{6}-[1-8][0-9]{6}", rrn.is_valid),
        (r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf.is_valid),
        (r"(?!(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2]))[0-9]{8}-?[A-Z]", dni.is_valid),
        (r"[XYZ]-?[0-9]{7}-?[A-Z]", nie.is_valid),
        (r"[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]", codicefiscale.is_valid),
        (r"[12][0-9]{2}(?:0[1-9]|1[0-2])(?:[0-9]{2}|2[AB])[0-9]{8}", nir.is_valid),
        (r"[A-Z]{1,2}[0-9]{6}[(（][0-9A][)）]", _is_hong_kong),
        (r"[A-Z][1289][0-9]{8}", _is_taiwan),
    )
    return [(re.compile(shape), is_valid) for shape, is_valid in shapes]


def _groups() -> _Checks:
    """Those that are written in groups."""
    from stdnum.cn import ric  # noqa: PLC0415 - only for those who mask
    from stdnum.fr import nir  # noqa: PLC0415
    from stdnum.in_ import aadhaar  # noqa: PLC0415

    shapes: tuple[tuple[str, Callable[[str], bool]], ...] = (
        (r"[0-9]{6}.[0-9]{8}.{5}", ric.is_valid),
        (r"[0-9]{4}(?: [0-9]{4}){2}", aadhaar.is_valid),
        (r"[12] .*", nir.is_valid),
    )
    return [(re.compile(shape), _ungrouped(is_valid)) for shape, is_valid in shapes]


def _ungrouped(is_valid: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda number: is_valid(plain(number))


def _is_hong_kong(number: str) -> bool:
    """One or two letters (A is 10), six digits and a check digit: weights 9 (or a blank worth 36) down to 2."""
    code = plain(number.replace("（", "(").replace("）", ")"))
    letters, digits, check = code[:-7], code[-7:-1], code[-1]
    values = [36] * (2 - len(letters)) + [ord(letter) - 55 for letter in letters] + [int(digit) for digit in digits]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    wanted = -total % _HK_MODULUS
    return check == ("A" if wanted == _TEN else str(wanted))


def _is_taiwan(number: str) -> bool:
    """A letter that stands for two digits, nine digits of which the last is the check: weights 1, 9, 8 down to 1, 1."""
    first = _TW_LETTERS.index(number[0]) + _TEN
    digits = [first // _TEN, first % _TEN, *map(int, number[1:])]
    return sum(w * d for w, d in zip((1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), digits, strict=True)) % _TEN == 0
