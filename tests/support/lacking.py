"""What a test does where its machine lacks something: it is skipped with the reason, or fails where that is required.

`.ci/run` sets MONITOR_TEST_REQUIRE_BACKENDS=1, and has installed everything before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

from tests.backends.process import Unavailable

__all__ = ["lacking", "or_skip"]

T = TypeVar("T")


def lacking(reason: str) -> NoReturn:
    """Skip, saying what this machine lacks; fail where nothing may be lacking."""
    if os.environ.get("MONITOR_TEST_REQUIRE_BACKENDS") == "1":
        pytest.fail(f"required, and not to be had: {reason}")
    pytest.skip(reason)


def or_skip(build: Callable[[], T]) -> T:
    """What `build` makes; skipped, or failed, where it says that it is unavailable."""
    try:
        return build()
    except Unavailable as exc:
        lacking(str(exc))
