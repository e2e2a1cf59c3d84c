"""Foreign text made fit for a terminal: nothing in it can act, hide, or turn the direction of what stands around it.

Whoever talks to an app, and every page that a tool reads, writes these texts. Control characters are shown instead of
obeyed, invisible ones are named, and right-to-left text is isolated, so that a terminal that knows the Unicode
bidirectional algorithm keeps its order from spilling over. Pure. Called by terminal.py and the command.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator

import msgspec
from rich.cells import cell_len

__all__ = [
    "FIRST_ISOLATE",
    "POP_ISOLATE",
    "isolated",
    "one_line",
    "readable_json",
    "shortened",
    "visible",
    "width_of",
    "wrapped",
]

_C0_PICTURES = 0x2400
_DELETE = 0x7F
_SPACE = 0x20
_TAB = "    "
_JOINERS = "\u200c\u200d"
_VARIATIONS = ("\ufe00", "\ufe0f")
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_REGIONAL = ("\U0001f1e6", "\U0001f1ff")
_LEAST_WIDTH = 8
_FURTHER = 2
_LONGEST_CLUSTER = 32
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
FIRST_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""Between them a text has a direction of its own; neither takes a cell."""

# Controls, marks that turn the direction of reading, invisible characters, line separators, lone surrogates. Not what
# Arabic, Hebrew, Persian and emoji are written with: the joiners, the directional marks, variation selectors.
_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u115f\u1160\u180e\u200b\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e00ff]"
)
_MAY_BE_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The blocks in which letters that are written from right to left lie, others among them."""
_ASCII_WORDS = re.compile(r"[^ ]+ *| +")
_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")
_NO_BREAK_BEFORE = frozenset('，。、；：？！）】》」』”’…,.;:?!)]}%"\\')
_NO_BREAK_AFTER = frozenset('（【《「『“‘([{"')
_WIDE = "\u3000-\u3029\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60\uffe0-\uffe6"
_PLAIN = re.compile(f"[ -~\u00a1-\u00ac\u00ae-\u024f\u2010-\u2027\u2030-\u205e{_WIDE}]*")
"""Texts in which every character stands for itself: nothing is drawn onto another one."""
_WIDE_ONE = re.compile(f"[{_WIDE}]")
_BEFORE, _AFTER = (re.escape("".join(sorted(signs))) for signs in (_NO_BREAK_BEFORE, _NO_BREAK_AFTER))
_BREAKS = re.compile(
    f"(?<= )(?=[^ ])|(?<=[{_WIDE}])(?<![{_AFTER}])(?=[^ {_BEFORE}])|(?<=[^ {_AFTER}])(?=[{_WIDE}])(?![{_BEFORE}])"
)
"""Where a line of such a text may break: `_may_break` in one pattern, many times as fast."""


def visible(text: str) -> str:
    """The text with everything that could act or hide shown instead; line feeds stay, CR LF becomes one."""
    return _UNSAFE.sub(_shown, text.replace("\r\n", "\n"))


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if char == "\t":
        return _TAB
    if code < _SPACE:
        return chr(_C0_PICTURES + code)
    if code == _DELETE:
        return "\u2421"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004


def isolated(line: str) -> str:
    """The line, in isolation where it has letters that are written from right to left."""
    if line.isascii() or not _MAY_BE_RIGHT_TO_LEFT.search(line):
        return line
    if not any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in line):
        return line
    return f"{FIRST_ISOLATE}{line}{POP_ISOLATE}"


def one_line(text: str, longest: int = 200) -> str:
    """A name for use within a line: visible, isolated, and cut when it is longer than names are."""
    flat = visible(" ".join(text[: longest + 1].split()))
    return isolated(flat if len(flat) <= longest else flat[: longest - 1] + "…")


def shortened(text: str, longest: int | None) -> tuple[str, int]:
    """The beginning of the text and how many characters were left out; a small rest is not worth leaving out."""
    if longest is None or len(text) <= longest + longest // 10:
        return text, 0
    return text[:longest], len(text) - longest


def readable_json(text: str, width: int, longest: int | None) -> str:
    """JSON on one line where it fits, else indented where that is not too long; any other text as it is.

    Only spaces between the values change, and letters that were written as escapes. What fits on a line stays on one.
    """
    if text.lstrip()[:1] not in {"{", "["} or (longest is not None and len(text) > longest):
        return text
    try:
        flat = _unescaped(msgspec.json.format(text, indent=0))
        if len(flat) <= width * _LONGEST_CLUSTER and width_of(flat) <= width:
            return flat
        indented = _folded(_unescaped(msgspec.json.format(text, indent=2)), width)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text
    return indented if longest is None or len(indented) <= longest else flat


def _folded(indented: str, width: int) -> str:
    """Indented JSON with each object and array that fits on a line put on one."""
    lines: list[str] = []
    opened: list[int] = []
    for line in indented.split("\n"):
        lines.append(line)
        if line.endswith(("{", "[")):
            opened.append(len(lines) - 1)
        elif line.strip(" ,") in {"}", "]"}:
            start = opened.pop()
            lines[start:] = _on_one_line(lines[start:], width)
    return "\n".join(lines)


def _on_one_line(lines: list[str], width: int) -> list[str]:
    if sum(len(line.lstrip()) for line in lines) > width:
        return lines
    first, *inner, last = lines
    joined = first + " ".join(line.strip() for line in inner) + last.strip()
    return [joined] if width_of(joined) <= width else lines


def _unescaped(text: str) -> str:
    return _ESCAPES.sub(_letters, text) if "\\u" in text else text


def _letters(match: re.Match[str]) -> str:
    """Escapes as the letters they mean, unless those would have to be escaped themselves."""
    letters: str = json.loads(f'"{match[2]}"')
    plain = letters.isprintable() and not set(letters) & {'"', "\\"}
    return match[1] + letters if plain else match[0]


def width_of(text: str) -> int:
    """Cells that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    if _PLAIN.fullmatch(text):
        return len(text) + len(_WIDE_ONE.findall(text))
    return sum(cell_len(cluster) for cluster in _clusters(text))


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a visible text, none wider than `width` cells.

    Lines break at spaces and between Chinese, Japanese and Korean characters, but not before closing punctuation; a
    word that is wider than a line is cut. What continues an indented line is indented further. At least one line.
    """
    return [line for paragraph in text.split("\n") for line in _wrapped_line(paragraph, max(width, _LEAST_WIDTH))]


def _wrapped_line(text: str, width: int) -> Iterator[str]:
    body = text.lstrip(" ")
    indent = len(text) - len(body)
    if len(text) <= width and text.isascii() and indent <= width // 2:  # most lines of most texts
        yield text.rstrip(" ")
        return
    indent = min(indent, width // 2)
    further = indent + _FURTHER if indent else 0
    for number, line in enumerate(_filled(body, width - indent, width - further)):
        yield (" " * (further if number else indent) + line) if line else ""


def _filled(text: str, first: int, rest: int) -> Iterator[str]:
    """The words in lines, the first of which has another width."""
    line, cells, width = "", 0, first
    for word, word_cells in _words(text):
        if line and cells + word_cells - len(word) + len(word.rstrip(" ")) > width:
            yield line.rstrip(" ")
            line, cells, width = "", 0, rest
        if word_cells > width:
            *full, (line, cells) = _cut(word, min(width, rest))
            yield from (piece for piece, _ in full)
            width = rest
            continue
        line, cells = line + word, cells + word_cells
    yield line.rstrip(" ")


def _words(text: str) -> Iterator[tuple[str, int]]:
    """Pieces between which a line may break, with their cells; a piece keeps the spaces behind it."""
    if text.isascii():
        yield from ((word, len(word)) for word in _ASCII_WORDS.findall(text))
        return
    if _PLAIN.fullmatch(text):
        yield from ((word, len(word) if word.isascii() else cell_len(word)) for word in _BREAKS.split(text))
        return
    word: list[str] = []
    cells, last = 0, ""
    for cluster in _clusters(text):
        if word and _may_break(last, cluster):
            yield "".join(word), cells
            word, cells = [], 0
        word.append(cluster)
        cells, last = cells + _cells(cluster), cluster
    if word:
        yield "".join(word), cells


def _may_break(last: str, following: str) -> bool:
    if following == " " or last == " ":
        return following != " "
    if following in _NO_BREAK_BEFORE or last in _NO_BREAK_AFTER:
        return False
    return _is_wide(last) or _is_wide(following)


def _is_wide(cluster: str) -> bool:
    return not cluster.isascii() and unicodedata.east_asian_width(cluster[0]) in "WF"


def _cells(cluster: str) -> int:
    return 1 if cluster.isascii() else cell_len(cluster)


def _cut(word: str, width: int) -> list[tuple[str, int]]:
    """Pieces of a word that is too wide, each as wide as a line allows."""
    if word.isascii():
        return [(word[at : at + width], min(width, len(word) - at)) for at in range(0, len(word), width)]
    pieces: list[tuple[str, int]] = []
    piece, cells = "", 0
    for cluster in _clusters(word):
        wide = _cells(cluster)
        if cells + wide > width and piece:
            pieces.append((piece, cells))
            piece, cells = "", 0
        piece, cells = piece + cluster, cells + wide
    return [*pieces, (piece, cells)]


def _clusters(text: str) -> Iterator[str]:
    """Characters together with what is drawn onto them: accents, joined emoji, flags."""
    if text.isascii():
        yield from text
        return
    cluster = ""
    for char in text:
        if cluster and not _joins(cluster, char):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _joins(cluster: str, char: str) -> bool:
    if char.isascii() or len(cluster) >= _LONGEST_CLUSTER:
        return False
    if char in _JOINERS or cluster[-1] == _JOINERS[1] or unicodedata.combining(char):
        return True
    if _VARIATIONS[0] <= char <= _VARIATIONS[1] or _SKIN_TONES[0] <= char <= _SKIN_TONES[1]:
        return True
    flag = _REGIONAL[0] <= char <= _REGIONAL[1] and _REGIONAL[0] <= cluster[-1] <= _REGIONAL[1]
    return (flag and len(cluster) == 1) or unicodedata.category(char) in {"Mn", "Me"}
