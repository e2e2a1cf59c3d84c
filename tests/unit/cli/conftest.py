"""A working directory without a monitor.yaml, an environment that sets nothing, 80 columns in UTC, and logging as it was."""

from __future__ import annotations

import pytest

from tests.support.logs import logging_as_it_was


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DIFY_DB_URL", "DIFY_DB_URL_FILE", "MONITOR_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """A command that is called here sets it up for a standard error that ends with the call."""
    with logging_as_it_was():
        yield
