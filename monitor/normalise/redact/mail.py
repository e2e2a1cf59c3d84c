"""E-mail addresses, between Chinese characters too."""

from __future__ import annotations

import re

from monitor.normalise.redact.detector import ByPattern, Detector

__all__ = ["mail_detector"]

# What a file's name ends with, as in image@2x.png; of those, only what is no domain as well.
_FILE = (
    r"(?:png|jpe?g|gif|svg|webp|ico|bmp|css|scss|less|"
    r"[mc]?js|[jt]sx?|json|ya?ml|toml|html?|xml|csv|txt|log|pdf|whl|jar)"
)
_ADDRESS = re.compile(
    r"(?:\\{1,8}(?:u[0-9a-fA-F]{4}|[bf])|(?<![A-Za-z0-9._%+-]))"
    r"((?:[A-Za-z0-9._%+-]++@(?:[A-Za-z0-9-]{1,63}\.){1,8}"
    rf"(?:(?:com|net|org|edu|gov|cn|io)|(?!{_FILE}(?![A-Za-z0-9]))[A-Za-z]{{2,24}}(?!\.{_FILE}(?![A-Za-z0-9])))"
    r"(?![A-Za-z0-9]))+)"
)


def mail_detector() -> Detector:
    """One span for each address; for several without anything between them, one."""
    return ByPattern("[email]", _ADDRESS, "@", needs="latin")
