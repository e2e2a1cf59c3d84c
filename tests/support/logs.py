"""Logging as it was before a test that calls a command in its own process: commands set it up for all of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

__all__ = ["logging_as_it_was"]


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Put structlog and the root logger back at the end of the block."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
