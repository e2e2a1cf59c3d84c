"""What a configuration says of the content that leaves: which apps' content, and what is masked in it.

Plain data, handed to each sink with its tools (`monitor.ports.Tools`); the work is done by `monitor.normalise.redact`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["DEFAULT_REGIONS", "AppPolicy", "ContentPolicy", "Detected", "MaskPattern", "Redaction"]

ContentPolicy = Literal["none", "redacted", "full"]
"""none: metadata alone; redacted: content with personal data and keys masked; full: content as Dify kept it."""

Detected = Literal["card", "email", "id", "ip", "key", "name", "phone"]
"""What `redacted` masks by itself: bank cards, e-mail addresses, identity numbers, addresses of machines, keys and
passwords, names that a text announces, telephone numbers."""

DEFAULT_REGIONS = ("CN", "US")
"""National numbers of mainland China, and of all who share the numbering of the United States."""


class AppPolicy(msgspec.Struct, frozen=True):
    """What leaves of some apps' content, whatever the sinks' own `content` says."""

    app: str
    """Id or name of the app, in any case; `*` stands for any characters, `?` for one. `*` alone is also about facts
    that are of no app."""
    content: ContentPolicy
    sinks: tuple[str, ...] = ()
    """Names of the sinks that it is about; empty: all."""


class MaskPattern(msgspec.Struct, frozen=True):
    """Something of the user's own that `redacted` masks."""

    pattern: str
    """A regular expression that needs time linear in the text: no look-around, no back-references."""
    mask: str
    """What stands there instead, such as `[contract]`."""


class Redaction(msgspec.Struct, frozen=True):
    """The whole of it. Empty: each sink's `content` decides, and `redacted` masks what it knows by itself."""

    apps: tuple[AppPolicy, ...] = ()
    """The first that fits an app and a sink decides."""
    patterns: tuple[MaskPattern, ...] = ()
    words: tuple[str, ...] = ()
    """Names and other words that are always masked, such as those of the house's customers."""
    regions: tuple[str, ...] = DEFAULT_REGIONS
    """Whose national telephone numbers are known; international ones always are."""
    keep: tuple[Detected, ...] = ()
    """What is not masked."""
