"""Recall and precision of `content: redacted`, by kind and language, and its pace beside a plain pass of `re`.

    python -m benchmarks.redaction [--half heldout] [--mistakes] [--megabytes 4]

The pace is a ratio to `re.sub` of one pattern for e-mail addresses and runs of eleven digits over the same texts: about
what a masking costs that is written in an afternoon. Recall and precision hang on nothing but the code.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence

from benchmarks.redaction.scoring import HALVES, KINDS, labelled, mistakes, score
from monitor.model import Redaction
from monitor.normalise.redact.masks import Masks, masks_for

_PLAIN = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+|1[3-9][0-9]{9}")
_LANGS = ("zh", "en", "all")


def main() -> None:
    """Score, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=HALVES, action="append", help="default: both")
    parser.add_argument("--mistakes", action="store_true", help="show each of them")
    parser.add_argument("--megabytes", type=int, default=4, help="how much text the pace is measured on; 0: not at all")
    asked = parser.parse_args()
    masks = masks_for(Redaction())
    for half in asked.half or HALVES:
        print(table(masks, half))
        if asked.mistakes:
            print(*mistakes(masks, labelled(half)), sep="\n")
    if asked.megabytes:
        print(pace(masks, asked.megabytes))


def table(masks: Masks, half: str) -> str:
    """Markdown: spans, recall and precision of each kind, by language."""
    texts = labelled(half)
    scores = score(masks, texts)
    lines = [
        f"{half}: {len(texts)} texts",
        "",
        "| kind | " + " | ".join(f"{lang} spans | recall | precision" for lang in _LANGS) + " |",
    ]
    lines.append("|---|" + "--:|" * (3 * len(_LANGS)))
    for kind in (*KINDS, "all"):
        cells = [scores[kind, lang] for lang in _LANGS]
        lines.append(
            f"| {kind} | "
            + " | ".join(f"{one.labelled} | {one.recall:.2f} | {one.precision:.2f}" for one in cells)
            + " |"
        )
    return "\n".join(lines) + "\n"


def pace(masks: Masks, megabytes: int) -> str:
    """Megabytes a second, and beside `re`."""
    texts = [each.text for half in HALVES for each in labelled(half)]
    wanted, size = megabytes * 1024 * 1024, sum(len(text.encode()) for text in texts)
    texts *= max(1, wanted // size)
    plain = _seconds(lambda text: _PLAIN.sub("[x]", text), texts)
    ours = _seconds(masks.of, texts)
    total = sum(len(text.encode()) for text in texts) / 1024 / 1024
    return (
        f"{len(texts)} texts, {total:.1f} MiB: {len(texts) / ours:,.0f} texts/s, {total / ours:.2f} MiB/s, "
        f"{ours / plain:.0f} times as long as one plain pattern"
    )


def _seconds(work: Callable[[str], object], texts: Sequence[str]) -> float:
    begun = time.perf_counter()
    for text in texts:
        work(text)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
