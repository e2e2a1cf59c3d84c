"""Which share of failures and turns is sent. Pure: by configuration and the fact's own key, the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b

import msgspec

from monitor.sinks.sentry.failures import Failure
from monitor.sinks.sentry.settings import Sample

__all__ = ["Chosen", "belongs", "chosen"]

_PERSON = b"difymon-sample1"
_WHOLE = 1 << 64


class Chosen(msgspec.Struct, frozen=True):
    """What the configuration says of one event."""

    group: str = ""
    """Short for its fingerprint; empty: all of them are sent."""
    first: int = 0
    """So many of the group in an hour are sent in any case."""
    among: bool = True
    """Whether it belongs to the share of the others that is sent."""


def chosen(samples: Sequence[Sample], failure: Failure, key: str) -> Chosen:
    """What the first sample that fits says of the event under this key."""
    for sample in samples:
        if _fits(sample, failure):
            group = blake2b("\x1f".join(failure.fingerprint).encode(), digest_size=6, person=_PERSON).hexdigest()
            return Chosen(group, sample.first, belongs(key, sample.then))
    return Chosen()


def belongs(key: str, share: float) -> bool:
    """Whether the key is in this share of all keys. Who is in a share is in every larger one."""
    place = int.from_bytes(blake2b(key.encode(), digest_size=8, person=_PERSON).digest(), "big")
    return place < int(share * _WHOLE)


def _fits(sample: Sample, failure: Failure) -> bool:
    app = fnmatchcase(failure.app_id, sample.app) or fnmatchcase(failure.app_name, sample.app)
    named = fnmatchcase(failure.subject, sample.subject) and fnmatchcase(failure.error_type, sample.error_type)
    return app and named and sample.handled in {None, failure.handled}
