"""Real servers for tests, each started on a free loopback port in a folder of its own, and stopped by its process id.

`postgres`, `collector` and `prometheus` are modules with one server class each; `tests/conftest.py` makes fixtures of
them. None of them ever stops a process that it did not start. `.ci/install` gets the programs.
"""

from __future__ import annotations

from tests.backends.process import Unavailable

__all__ = ["Unavailable"]
