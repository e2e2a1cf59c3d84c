"""E-mail addresses, between Chinese characters too."""

from __future__ import annotations

import re

from monitor.normalise.redact.detector import ByPattern, Detector

__all__ = ["mail_detector"]

_ADDRESS = re.compile(
    r"(?:\\{1,8}(?:u[0-9a-fA-F]{4}|[bf])|(?<![A-Za-z0-9._%+-]))"
    r"((?:[A-Za-z0-9._%+-]++@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9]))+)"
)


def mail_detector() -> Detector:
    """One span for each address; for several without anything between them, one."""
    return ByPattern("[email]", _ADDRESS, "@", needs="latin")
