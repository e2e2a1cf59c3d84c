"""Replay: what a journal knows of a conversation or a turn, put in order and shown.

`timeline` turns records into a `Timeline` in which every judgement is made; `terminal` and `as_json` draw it. Reads a
journal, never writes to one, and asks Dify nothing. Called by `monitor replay`.
"""

from __future__ import annotations

from monitor.replay.nouns import Timeline
from monitor.replay.timeline import Ambiguous, Candidate, Found, Reader, look_up, timeline_of

__all__ = ["Ambiguous", "Candidate", "Found", "Reader", "Timeline", "look_up", "timeline_of"]
