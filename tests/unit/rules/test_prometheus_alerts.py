"""The alerts for Prometheus: Prometheus's own judge takes them, they fire when they should, their metrics exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from monitor.metrics.catalogue import CATALOGUE, OWN_CATALOGUE

FILE = Path(__file__).parents[3] / "alerts" / "prometheus" / "dify-monitor.yaml"
STORIES = Path(__file__).with_name("dify-monitor.promtool.yaml")
NAMES = {each.name for each in (*CATALOGUE, *OWN_CATALOGUE)}


def alerts() -> list[dict]:
    return [rule for group in yaml.safe_load(FILE.read_text("utf-8"))["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("alert", alerts(), ids=lambda each: each["alert"])
def test_every_metric_exists(alert):
    used = set(re.findall(r"\bdify_[a-z_]+", alert["expr"]))
    assert used
    assert used <= NAMES


@pytest.mark.parametrize("alert", alerts(), ids=lambda each: each["alert"])
def test_every_alert_says_how_bad_it_is_and_what_to_do(alert):
    assert alert["labels"]["severity"] in {"page", "warning"}
    assert set(alert["annotations"]) == {"summary", "description"}


def test_prometheus_takes_the_file(promtool):
    checked = promtool("check", "rules", str(FILE))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_alerts_fire_when_they_should(promtool, tmp_path):
    stories = tmp_path / "stories.yaml"
    stories.write_text(STORIES.read_text("utf-8").replace("RULES", str(FILE)), "utf-8")
    told = promtool("test", "rules", str(stories))
    assert told.returncode == 0, told.stdout + told.stderr
