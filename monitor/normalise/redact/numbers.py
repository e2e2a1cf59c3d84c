"""Runs of digits, with what holds them together: where numbers that might be somebody's stand in a text.

Cards, identity numbers and telephone numbers are all looked for in these candidates, so that a text is gone through
once for each writing and not once for each country.
"""

from __future__ import annotations

import re

__all__ = ["BEGIN", "END", "after_order_word", "plain"]

BEGIN = r"(?<![A-Za-z0-9_.].)(?<![A-Za-z0-9]-.)(?<![0-9]/.)"
"""Behind the first character of a number of somebody's: no letter or digit goes before it, and it is not the rest of a
longer code. It does not stand before that character, so that the search can skip to one."""
END = r"(?![A-Za-z0-9_])(?!\.[0-9])(?!-[A-Za-z0-9])"
"""Behind the last one likewise."""

_BEFORE_CHARS = 24
# Tried on the text in lower case. What somebody who names a number so will not mean to be a card or an identity number.
_ORDER = re.compile(
    r"(?:订单|单号|流水|运单|快递|编号|编码|条码|会员|序列|批次|工单|保单|合同|商户号|交易号|快照|时间戳"
    r"|order|tracking|invoice|serial|batch|reference|ref\b|ticket|transaction|receipt|sku|isbn|uuid|trace|timestamp)"
    r"[^0-9\n]{0,12}$",
)
_SEPARATORS = str.maketrans("", "", " -.()/")


def plain(number: str) -> str:
    """The number without what it was grouped with."""
    return number.translate(_SEPARATORS)


def after_order_word(lower: str, start: int) -> bool:
    """Whether the word before a number says that it is one of an order or a ticket; the text is in lower case."""
    return _ORDER.search(lower, max(0, start - _BEFORE_CHARS), start) is not None
