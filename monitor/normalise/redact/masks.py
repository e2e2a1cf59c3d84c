"""The masking behind `redacted`: what stands in a text that must not leave, and the text with masks in its place.

One detector after the other looks at the text as the ones before it have left it, so nothing is masked twice, and keys
go before the numbers that stand in them. What is masked by default, and what is not, stands in
docs/explanation/privacy.md, with what was measured. This is no scrubbing of credentials before they are stored, which
comes earlier.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from monitor.model import Redaction
from monitor.normalise.redact.cards import Cards, Ibans
from monitor.normalise.redact.detector import Detector, Need, Seen, Span
from monitor.normalise.redact.ids import id_detectors
from monitor.normalise.redact.json_values import JsonValues
from monitor.normalise.redact.keys import key_detectors
from monitor.normalise.redact.machines import machine_detectors
from monitor.normalise.redact.mail import mail_detector
from monitor.normalise.redact.names import name_detectors
from monitor.normalise.redact.patterns import ByUser
from monitor.normalise.redact.phones import phone_detectors
from monitor.normalise.redact.view import look
from monitor.normalise.redact.words import Words

__all__ = ["Found", "Masks", "masks_for"]

_MOST_ROUNDS = 8
"""A bound for texts that are made to need more: there, masking twice masks more."""
_TOUCHED_AFTER = re.compile(r"[A-Za-z0-9_+(]|[.:,/ -]{1,2}[0-9+(]")
_TOUCHED_BEFORE = re.compile(r"(?:[A-Za-z0-9_)]|[0-9][.:,/ -])\Z")


class Found(NamedTuple):
    """Something that is masked: where it stands in the text, and the mask."""

    start: int
    end: int
    mask: str


class Masks:
    """What a configuration masks. Immutable; build it once, as some detectors read tables."""

    def __init__(self, redaction: Redaction) -> None:
        """Raises ValueError where a pattern of the configuration is none; the wiring has checked them before."""
        in_order = groupby(_detectors(redaction), key=lambda detector: detector.needs)
        self._groups = tuple((needs, tuple(group)) for needs, group in in_order)

    def of(self, text: str) -> str:
        """The text with masks. Masking twice changes nothing more; JSON stays JSON."""
        return self._placed(text)[0]

    def counted(self, text: str) -> tuple[str, Counter[str]]:
        """The text with masks, and how many there are of each."""
        masked, masks = self._placed(text)
        return masked, Counter(masks)

    def _placed(self, text: str) -> tuple[str, list[str]]:
        """The text with masks, and those that stand in it now."""
        found = self.found(text)
        if not found:
            return text, []
        values = JsonValues(text)
        pieces: list[str] = []
        masks: list[str] = []
        done = 0
        for each in found:
            start, end, mask = values.fitted(each.start, each.end, each.mask)
            if start >= done:
                pieces += (text[done:start], mask)
                masks.append(each.mask)
                done = end
        return "".join((*pieces, text[done:])), masks

    def found(self, text: str) -> list[Found]:
        """Everything that is masked, in order, without overlaps."""
        view = look(text)
        trail = _Trail(view.text)
        for _ in range(_MOST_ROUNDS):
            trail.round(self._groups)
            if trail.is_settled():
                break
        return [Found(view.origin(each.start), view.origin(each.end), each.mask) for each in trail.found]


class _Trail:
    """A text on its way through the detectors: as it is now, and where what was replaced had stood."""

    def __init__(self, text: str) -> None:
        self._seen = Seen(text)
        self.found: list[Found] = []
        """In the places of the first text."""
        self._new = 0

    def round(self, groups: Sequence[tuple[Need, Sequence[Detector]]]) -> None:
        """Ask every detector whose needs are met once."""
        has, seen = self._seen.has, self._seen
        for needs, detectors in groups:
            if needs in has:
                for detector in detectors:
                    spans = list(detector.find(seen))
                    if spans:
                        self._replace(spans, detector)

    def _replace(self, spans: Sequence[Span], detector: Detector) -> None:
        """Put the detector's mask in place of what it found."""
        text = self._seen.text
        pieces: list[str] = []
        done = 0
        for start, end in spans:
            pieces += (text[done:start], detector.mask)
            done = end
        self._seen.replaced("".join((*pieces, text[done:])))
        self.found = list(_merged(self.found, spans, detector.mask))
        self._new += len(spans)

    def is_settled(self) -> bool:
        """Whether another round would find nothing.

        It might where something that was found since the last one touched a letter or a number, which stands alone now.
        """
        new, self._new = self._new, 0
        if not new:
            return True
        text, shift = self._seen.text, 0
        for each in self.found:
            start = each.start - shift
            end = start + len(each.mask)
            if _TOUCHED_AFTER.match(text, end) or _TOUCHED_BEFORE.search(text, max(0, start - 2), start):
                return False
            shift += _grown(each)
        return True


def _merged(known: Sequence[Found], spans: Sequence[tuple[int, int]], mask: str) -> Iterator[Found]:
    """All that is replaced, in the places of the first text, after spans of the present one were replaced as well.

    A span swallows masks that stand in it.
    """
    shift = 0  # what is to be added to a place of the present text
    at = 0
    for start, end in spans:
        while at < len(known) and known[at].start - shift < start:
            yield known[at]
            shift += _grown(known[at])
            at += 1
        first = start + shift
        while at < len(known) and known[at].start - shift < end:
            shift += _grown(known[at])
            at += 1
        yield Found(first, end + shift, mask)
    yield from known[at:]


def _grown(found: Found) -> int:
    """By how much the first text is longer there."""
    return found.end - found.start - len(found.mask)


def _detectors(redaction: Redaction) -> Iterator[Detector]:
    """What looks, in its order: the user's own first, so that a mask of theirs is never taken by ours."""
    for each in redaction.patterns:
        yield ByUser(each.pattern, each.mask)
    if redaction.words:
        yield Words(redaction.words)
    if "key" not in redaction.keep:
        yield from key_detectors()
    if "email" not in redaction.keep:
        yield mail_detector()
    if "card" not in redaction.keep:
        yield from (Ibans(), Cards())
    if "id" not in redaction.keep:
        yield from id_detectors()
    if "ip" not in redaction.keep:
        yield from machine_detectors()
    if "phone" not in redaction.keep:
        yield from phone_detectors(redaction.regions)
    if "name" not in redaction.keep:
        yield from name_detectors()


@lru_cache(maxsize=8)
def masks_for(redaction: Redaction) -> Masks:
    """The configuration's masks, made once for all sinks."""
    return Masks(redaction)
