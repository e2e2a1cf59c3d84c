"""Output that pages show is what the commands print: README's by the demo, others by the recorded Dify."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from tests.docs.pages import ROOT, blocks
from tests.support.sidecar import Sidecar

_MOMENT = re.compile(r"(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:\.\d+)?|\d+(?:\.\d+)? (?:ms|s)\b|\b[0-9a-f]{32}\b")


def steady(text: str) -> list[str]:
    """Lines without times, lengths of time and pseudonyms, which differ from run to run."""
    return [_MOMENT.sub("·", line.rstrip()) for line in text.splitlines()]


def shown(page: str, start: str) -> list[str]:
    """The lines of the page's block that begins so, but for those that were left out."""
    (found,) = [each.text for each in blocks("") if each.page == ROOT / page and each.text.startswith(start)]
    return [line for line in found.splitlines() if line.strip() != "..."]


def missing(page: str, start: str, output: str) -> list[str]:
    """Lines of the block that were not printed."""
    printed = set(steady(output))
    return [line for line in steady("\n".join(shown(page, start))) if line not in printed]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What `monitor demo` prints, and the metrics of its journal."""
    folder = tmp_path_factory.mktemp("demo") / "d"
    told = CliRunner().invoke(cli, ["demo", "--fast", "--dir", str(folder)], env={"COLUMNS": "80"})
    assert told.exit_code == 0, told.output
    metrics = CliRunner().invoke(cli, ["metrics", "--journal", str(folder / "journal")])
    return told.output, metrics.output


def test_the_readme_s_alert_and_replay_are_the_demo_s(demo):
    output, _ = demo
    assert missing("README.md", "┃ FIRING", output) == []
    assert missing("README.md", "── Turn 5", output) == []


def test_the_readme_s_metrics_are_the_demo_s(demo):
    _, metrics = demo
    patterns = [re.escape(line).replace("…", '[^"]*') for line in shown("README.md", "dify_turns_total{")]
    assert [pattern for pattern in patterns if not re.search(f"^{pattern}$", metrics, re.MULTILINE)] == []


@pytest.mark.backend("postgres")
def test_other_pages_show_what_the_recorded_dify_gives(fresh_database, tmp_path):
    sidecar = Sidecar(tmp_path, fresh_database("1.9").url, rules={"max_age": "9999d"})
    alerts = sidecar.once().stdout
    assert missing("docs/howto/alerts.md", "FIRING", alerts) == []
    replay = sidecar.command("replay", "1b4e4a3c", "--tz", "UTC")
    assert missing("docs/quickstart.md", "Conversation 1b4e4a3c", replay.stdout) == []
