"""Addresses of machines: IPv4, IPv6 and MAC.

Private networks count, too: they say how a house is built. Not masked are addresses that are the same everywhere (this
machine, any address, masks of networks), what a version number looks like where a word or a product's name before it
says so, and names of hosts: an error without the host's name helps nobody, and who must hide those has a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from monitor.normalise.redact.detector import ByPattern, Detector, Need, Seen, Span

__all__ = ["machine_detectors"]

_MASK = "[ip]"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_V4 = re.compile(
    r"[1-9](?<![A-Za-z0-9_.].)(?<![A-Za-z0-9][-/].)"
    rf"(?:(?<=2)(?:2[0-3]|[01][0-9])|(?<=1)[0-9]{{2}}|[0-9]?)(?<!127)(?:\.{_OCTET}){{3}}"
    rf"(?![A-Za-z0-9_])(?!\.[0-9])(?!-(?!{_OCTET}(?:\.{_OCTET}){{3}}(?![A-Za-z0-9_.-]))[A-Za-z0-9])"
)
_VERSION = re.compile(r"(?:version|ver|release|firmware|build|版本号?|固件|章|节|section|oid)[^0-9\n]{0,4}$")
# What has versions of four numbers and is no machine; and comparisons, as lists of packages write them.
_PRODUCT = re.compile(
    r"(?:(?<![a-z])(?:chrome|chromium|firefox|edge|safari|opera|webkit|electron|openssl|curl|wget|gcc|clang|glibc|cuda"
    r"|python|java|jdk|jre|openjdk|dotnet|sdk|driver|kernel|windows|macos|ios|android|office)"
    r"|驱动|内核|浏览器)[ /]{1,2}$"
    r"|(?<!ip)(?<!host)(?<!addr)(?<!address)(?<!src)(?<!dst)(?<!peer)(?<!server)[=~<>]=$"
)
_PRIVATE = re.compile(r"10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.")
_BEFORE_CHARS = 16
_MAC = re.compile(
    r"([0-9A-Fa-f](?<![A-Za-z0-9:_-].)(?!(?!(?<=0)0)[0-9](?:-[0-9]{2}){5}(?![0-9A-Fa-f]))[0-9A-Fa-f](?P<between>[:-])(?:[0-9A-Fa-f]{2}(?P=between)){4}[0-9A-Fa-f]{2})"
    r"(?![A-Za-z0-9:_-])"
)
_V6 = re.compile(
    r"[0-9A-Fa-f:](?<![A-Za-z0-9:._-].)[0-9A-Fa-f]{0,3}(?::(?![0-9]{1,3}\.[0-9])[0-9A-Fa-f]{0,4}){0,7}+"
    r"(?::[0-9]{1,3}(?:\.[0-9]{1,3}){3})?"
    r"(?![A-Za-z0-9_])(?!:[0-9A-Fa-f:])"
)
_TELLING = 3


class _V4Addresses:
    """Four numbers with points."""

    mask = _MASK
    needs: Need = "number"

    def find(self, seen: Seen) -> Iterator[Span]:
        """Four numbers that are an address and no version."""
        if seen.text.count(".") < _TELLING:
            return
        for match in _V4.finditer(seen.text):
            if not _is_version(seen.lower, match.start()):
                yield match.span()


class _V6Addresses:
    """Groups of hexadecimal digits with colons."""

    mask = _MASK
    needs: Need = "anything"

    def find(self, seen: Seen) -> Iterator[Span]:
        """What the standard library reads as an address, unless it is a time or a piece of a program."""
        if seen.text.count(":") > 1:
            for match in _V6.finditer(seen.text):
                candidate = match[0]
                if candidate.endswith(":") and not candidate.endswith("::"):
                    candidate = candidate[:-1]
                if _is_v6(candidate):
                    yield match.start(), match.start() + len(candidate)


def machine_detectors() -> Iterator[Detector]:
    """All of them."""
    yield ByPattern(_MASK, _MAC, ":", "-")
    yield _V6Addresses()
    yield _V4Addresses()


def _is_version(lower: str, start: int) -> bool:
    """Whether what stands before says so; behind a product's name, an address of a private network is still one."""
    begin = max(0, start - _BEFORE_CHARS)
    if _VERSION.search(lower, begin, start):
        return True
    return not _PRIVATE.match(lower, start) and _PRODUCT.search(lower, begin, start) is not None


def _is_v6(candidate: str) -> bool:
    groups = [group for group in candidate.split(":") if group]
    telling = len(groups) >= _TELLING or any(len(group) >= _TELLING for group in groups[:1])
    if not telling or not any(char.isdigit() for char in candidate):
        return False
    try:
        address = IPv6Address(candidate)
    except AddressValueError:
        return False
    mapped = address.ipv4_mapped
    return not (address.is_loopback or address.is_unspecified or (mapped and (mapped.is_loopback or not int(mapped))))
