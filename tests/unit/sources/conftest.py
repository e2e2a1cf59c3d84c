"""A Dify of one's own, and a source that watches it."""

from __future__ import annotations

import pytest

from tests.unit.sources.world import Dify, Watcher


@pytest.fixture
def dify() -> Dify:
    return Dify()


@pytest.fixture
def watcher(dify: Dify) -> Watcher:
    return Watcher(dify)
