"""Numbers of bank cards (issuer's prefix, length and Luhn's check digit) and IBANs (length by country, and modulo 97).

A number of 16 digits that by chance has a card's prefix and its check digit is taken for one: one of ten that begin
like a card. So where the word before it says order, tracking or invoice, only a number in groups counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.normalise.redact.detector import Need, Seen, Span
from monitor.normalise.redact.numbers import BEGIN, END, after_order_word, plain

__all__ = ["Cards", "Ibans"]

_MASK = "[card]"
# All in one, or in fours with one kind of separator (the last group may be shorter or longer), or 4-6-5, or 6-13.
_CANDIDATE = re.compile(
    rf"[2-9]{BEGIN}(?:[0-9]{{13,18}}+"
    r"|[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{2,4}(?:\1[0-9]{1,3})?+"
    r"|[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}+"
    r"|[0-9]{5}([ -])[0-9]{10,13}+"
    rf"){END}"
)
# What issuers use, by ISO/IEC 7812: prefix and lengths.
_ISSUERS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Mastercard
    r"|62[0-9]{14,17}|9558[0-9]{12,15}|95599[0-9]{14}|81[0-9]{14,17}"  # UnionPay and older Chinese debit cards
    r"|3[47][0-9]{13}"  # American Express
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # JCB
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners Club
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}"  # Discover, RuPay
    r"|220[0-4][0-9]{12}"  # Mir
)
_IBAN = re.compile(
    r"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{2}(?:[A-Z0-9]{11,30}+|(?: [A-Z0-9]{4}){2,7}+(?: [A-Z0-9]{1,3})?+)"
)
_SHORTEST_IBAN = 15


class Cards:
    """Bank cards."""

    mask = _MASK
    needs: Need = "number"

    def __init__(self) -> None:
        from stdnum import luhn  # noqa: PLC0415 - only for those who mask

        self._checks = luhn.is_valid

    def find(self, seen: Seen) -> Iterator[Span]:
        """Numbers that are one by prefix, length and check digit."""
        for match in _CANDIDATE.finditer(seen.text):
            digits = plain(match[0])
            if _ISSUERS.fullmatch(digits) is None or not self._checks(digits):
                continue
            if len(digits) < len(match[0]) or not after_order_word(seen.lower, match.start()):
                yield match.span()


class Ibans:
    """International bank account numbers, whole or in fours."""

    mask = _MASK
    needs: Need = "number"

    def __init__(self) -> None:
        from stdnum import iban  # noqa: PLC0415 - only for those who mask

        self._is_valid = iban.is_valid

    def find(self, seen: Seen) -> Iterator[Span]:
        """Those that are valid; where text follows in capitals, the longest beginning that is."""
        for match in _IBAN.finditer(seen.text):
            words = match[0].split(" ")
            while words:
                candidate = " ".join(words)
                if len(candidate) >= _SHORTEST_IBAN and self._is_valid(candidate):
                    yield match.start(), match.start() + len(candidate)
                    break
                words.pop()
