"""What the `sentry` sink must know of earlier facts: open turns' steps, what was sampled, how much was left out.

Bounded in every direction, and a text: the sink's state, committed with its cursor, so that after a crash the memory is
what it was when the last delivery was committed. What does not fit is forgotten, oldest first: a failure then has fewer
breadcrumbs, and a transaction says how many of its steps are missing.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

import msgspec

from monitor.sinks.sentry.parts import Part

__all__ = ["Memory", "read_memory"]

_VERSION = "1:"
_HOUR_NS = 3600 * 1_000_000_000
_MOST_TURNS = 1000
_MOST_BYTES = 2 * 1024 * 1024
_MOST_TURN_BYTES = 512 * 1024
_MOST_SPANS = 1000
"""As many spans as Sentry takes in one transaction."""
_MOST_CRUMBS = 100
"""As many breadcrumbs as Sentry takes."""
_MOST_CAUSES = 100
_MOST_WINDOWS = 1000
_ID_CHARS = 12
_MOST_STATE_BYTES = 16 * 1024 * 1024


class _Turn(msgspec.Struct, array_like=True, omit_defaults=True):
    at: int
    """Of its latest step."""
    crumbs: dict[str, bytes] = {}
    """By step: of the latest ones."""
    spans: dict[str, bytes] = {}
    """By step: of the first ones."""
    size: int = 0
    causes: dict[str, str] = {}
    """Steps that failed and were not handled, and what they ran in."""

    def learn(self, part: Part) -> None:
        """Add a step, or put it in the place of its former self."""
        self.at = max(self.at, part.at)
        self.causes.pop(part.step, None)
        if part.causes and len(self.causes) < _MOST_CAUSES:
            self.causes[part.step] = part.parent
        if part.crumb:
            self._put(self.crumbs, part.step, part.crumb)
            if len(self.crumbs) > _MOST_CRUMBS:
                self._drop(self.crumbs, next(iter(self.crumbs)))
        if part.span and len(self.spans) < _MOST_SPANS and self.size + len(part.span) <= _MOST_TURN_BYTES:
            self._put(self.spans, part.step, part.span)

    def _put(self, kept: dict[str, bytes], step: str, data: bytes) -> None:
        self._drop(kept, step)
        kept[step] = data
        self.size += len(data)

    def _drop(self, kept: dict[str, bytes], step: str) -> None:
        self.size -= len(kept.pop(step, b""))


class Memory(msgspec.Struct, array_like=True, omit_defaults=True):
    """Turns that have not ended, the hours' events by group, and what was left out since the sink first started."""

    turns: dict[str, _Turn] = {}
    windows: dict[str, list[str]] = {}
    left_out: dict[str, int] = {}

    def text(self) -> str:
        """The memory as a text that `read_memory` reads; never empty."""
        packed = zlib.compress(msgspec.msgpack.encode(self), 1)
        return _VERSION + base64.b85encode(packed).decode("ascii")

    def leave_out(self, why: str, count: int) -> None:
        """Count what is not sent because of the configuration, or of Sentry's limits."""
        self.left_out[why] = self.left_out.get(why, 0) + count

    def crumbs(self, part: Part) -> Sequence[bytes]:
        """The breadcrumbs of an event: what happened in its turn before, oldest first."""
        turn = self.turns.get(part.turn)
        if turn is None:
            return ()
        return [crumb for step, crumb in turn.crumbs.items() if step != part.step]

    def spans(self, part: Part) -> Sequence[bytes]:
        """The spans of a transaction, in the order in which its steps ended."""
        turn = self.turns.get(part.turn)
        return list(turn.spans.values()) if turn else ()

    def is_told(self, part: Part) -> bool:
        """Whether the part's failure follows from that of a step in it, which has an event of its own."""
        turn = self.turns.get(part.turn)
        return part.follows and turn is not None and ("" if part.ends else part.step) in turn.causes.values()

    def learn(self, part: Part) -> None:
        """Add what the fact adds to its turn; forget a turn that ended."""
        if part.ends:
            self.turns.pop(part.turn, None)
        elif part.turn and (part.crumb or part.span):
            self.turns.setdefault(part.turn, _Turn(part.at)).learn(part)
            self._shrink()

    def admits(self, part: Part) -> bool:
        """Whether the part's event is among those to be sent. Asked again of the same event, it says the same."""
        if not part.group:
            return True
        if not part.first:
            return part.chosen
        name = f"{part.at // _HOUR_NS:x}/{part.group}"
        among, short = self.windows.setdefault(name, []), part.event_id[:_ID_CHARS]
        if short in among:
            return True
        if len(among) >= part.first:
            return part.chosen
        among.append(short)
        if len(self.windows) > _MOST_WINDOWS:
            self.windows.pop(min(self.windows, key=_hour_of))
        return True

    def forget_before(self, at_ns: int) -> None:
        """Let go of what no later event can need: all that is older than what is still sent."""
        for turn in [name for name, turn in self.turns.items() if turn.at < at_ns]:
            del self.turns[turn]
        hour = at_ns // _HOUR_NS
        for window in [name for name in self.windows if _hour_of(name) < hour]:
            del self.windows[window]

    def _shrink(self) -> None:
        while len(self.turns) > 1 and (len(self.turns) > _MOST_TURNS or self._size() > _MOST_BYTES):
            del self.turns[min(self.turns, key=lambda name: self.turns[name].at)]

    def _size(self) -> int:
        return sum(turn.size for turn in self.turns.values())


def _hour_of(window: str) -> int:
    return int(window.partition("/")[0], 16)


_decoder = msgspec.msgpack.Decoder(Memory)


def read_memory(state: str) -> Memory:
    """The memory in a state; an empty one where the state is none of ours."""
    if not state.startswith(_VERSION):
        return Memory()
    try:
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(base64.b85decode(state.removeprefix(_VERSION)), _MOST_STATE_BYTES)
        memory = _decoder.decode(data)
    except (ValueError, zlib.error, binascii.Error, msgspec.DecodeError):
        return Memory()
    return memory
