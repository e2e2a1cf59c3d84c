"""Recall and precision of a masking on a labelled set.

A labelled span counts as found when every letter and digit of it is under a mask, of whatever kind: what matters is
that it does not leave. A mask counts as right when it covers some labelled span, and is counted under its own kind;
what it covers beside the label is counted as characters too many.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.normalise.redact.masks import Found, Masks

__all__ = ["HALVES", "KINDS", "Labelled", "Score", "labelled", "mistakes", "score"]

HALVES = ("tuning", "heldout")
KINDS = ("email", "phone", "id", "card", "ip", "key", "name")
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Labelled:
    """One text, and what must not leave of it."""

    lang: str
    domain: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


@dataclass
class Score:
    """Counts of one kind in one language; `all` stands for all of them."""

    labelled: int = 0
    found: int = 0
    masks: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        return self.found / self.labelled if self.labelled else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.masks if self.masks else 1.0


@dataclass
class Scores:
    """By kind and language."""

    by: defaultdict[tuple[str, str], Score] = field(default_factory=lambda: defaultdict(Score))

    def add(self, kind: str, lang: str, **counts: int) -> None:
        for key in ((kind, lang), (kind, "all"), ("all", lang), ("all", "all")):
            one = self.by[key]
            for name, count in counts.items():
                setattr(one, name, getattr(one, name) + count)


def labelled(half: str) -> list[Labelled]:
    """The texts of `tuning` or `heldout`."""
    lines = (_FOLDER / f"{half}.jsonl").read_text("utf-8").splitlines()
    rows = map(json.loads, lines)
    return [Labelled(row["lang"], row["domain"], row["text"], tuple(map(tuple, row["spans"]))) for row in rows]


def score(masks: Masks, texts: Iterable[Labelled]) -> dict[tuple[str, str], Score]:
    """By kind and language: `(kind, lang)`, each of which may be `all`."""
    scores = Scores()
    for each in texts:
        found = masks.found(each.text)
        for start, end, kind in each.spans:
            scores.add(kind, each.lang, labelled=1, found=int(_covered(each.text, start, end, found)))
        for mask in found:
            right = any(mask.start < end and start < mask.end for start, end, _ in each.spans)
            scores.add(mask.mask.strip("[]"), each.lang, masks=1, right=int(right))
    return scores.by


def mistakes(masks: Masks, texts: Iterable[Labelled]) -> Iterator[str]:
    """What was missed, and what was masked without need, in words."""
    for each in texts:
        found = masks.found(each.text)
        for start, end, kind in each.spans:
            if not _covered(each.text, start, end, found):
                yield f"missed {kind}: {each.text[start:end]!r} in {each.text!r}"
        for mask in found:
            if not any(mask.start < end and start < mask.end for start, end, _ in each.spans):
                yield f"needless {mask.mask}: {each.text[mask.start : mask.end]!r} in {each.text!r}"


def _covered(text: str, start: int, end: int, found: Sequence[Found]) -> bool:
    return all(
        any(mask.start <= place < mask.end for mask in found) for place in range(start, end) if text[place].isalnum()
    )


def counts(texts: Iterable[Labelled]) -> Counter[tuple[str, str]]:
    """How many spans there are of each kind and language."""
    return Counter((kind, each.lang) for each in texts for _, _, kind in each.spans)
