"""Metrics, settings, variables and files that a page names exist."""

from __future__ import annotations

import re

import pytest

from monitor.config.environment import CONFIG_VARIABLE, variables
from monitor.config.schema import settings_rows
from monitor.config.settings import Settings
from monitor.metrics.catalogue import CATALOGUE, OWN_CATALOGUE
from tests.docs.pages import PAGES, ROOT, inline

_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
_METRICS = {each.name for each in (*CATALOGUE, *OWN_CATALOGUE)}
_NO_METRIC = {"dify_database", "dify_db_url", "dify_retention", "dify_cleanup_overtakes"}
"""The source's type, a secret's name, a setting, a rule."""
_SETTINGS = {row.path for rows in settings_rows().values() for row in rows}
_VARIABLES = {variable.name for variable in variables()} | {CONFIG_VARIABLE}
_FOLDERS = ("monitor", "tests", "docs", "alerts", "benchmarks", "dashboards", ".ci")


def unknown_metrics(text: str) -> set[str]:
    """Names that look like a metric of ours, begin none and are none."""
    found = set(re.findall(r"\bdify_[a-z0-9_]*[a-z0-9]", text)) - _NO_METRIC
    return {name for name in found if not any(_begins(metric, name) for metric in _METRICS)}


def _begins(metric: str, name: str) -> bool:
    return metric.startswith(name) or name in {f"{metric}_{part}" for part in ("bucket", "sum", "count")}


@pytest.mark.parametrize("name", _NAMES)
def test_metrics_exist(name):
    assert unknown_metrics((ROOT / name).read_text()) == set()


def test_a_metric_that_does_not_exist_is_found():
    assert unknown_metrics("`dify_turns_total` dify_turn_duration_seconds_sum dify_monitor_sink dify_tunrs") == {
        "dify_tunrs"
    }


@pytest.mark.parametrize("name", _NAMES)
def test_settings_exist(name):
    sections = "|".join(Settings.model_fields)
    named = [code for code in inline(ROOT / name) if re.fullmatch(rf"(?:{sections})\.[a-z_]+", code)]
    assert [code for code in named if code not in _SETTINGS and not code.endswith(".db")] == []


@pytest.mark.parametrize("name", _NAMES)
def test_variables_exist(name):
    named = set(re.findall(r"\bMONITOR_[A-Z0-9_]*[A-Z0-9]", (ROOT / name).read_text()))
    ours = {each for each in named if not each.startswith(("MONITOR_TEST_", "MONITOR_HYPOTHESIS_"))}
    assert {each for each in ours if each.removesuffix("_FILE") not in _VARIABLES} == set()


@pytest.mark.parametrize("name", _NAMES)
def test_files_exist(name):
    paths = [
        code
        for code in inline(ROOT / name)
        if re.fullmatch(rf"(?:{'|'.join(map(re.escape, _FOLDERS))})/[\w./-]*", code)
    ]
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
