"""`monitor redact`: a text goes in, what would leave comes out, with the configuration in force."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from monitor.cli import cli

TEXT = "合同 HT-2025-001，联系示例公司 ALICE，电话 13812345678\n"


def redact(*arguments, text=TEXT, **redaction):
    if redaction:
        with open("monitor.yaml", "w", encoding="utf-8") as file:  # noqa: PTH123 - in the test's own folder
            yaml.safe_dump({"redaction": redaction}, file)
    return CliRunner().invoke(cli, ["redact", *arguments], input=text.encode())


def test_without_a_configuration_the_defaults_are_in_force():
    done = redact()
    assert done.stdout == "合同 HT-2025-001，联系示例公司 ALICE，电话 [phone]\n"
    assert done.stderr == "masked: 1 [phone]\n"


def test_patterns_words_and_what_is_kept(tmp_path):
    (tmp_path / "names.txt").write_text("# customers\n\nAlice\n", "utf-8")
    patterns = [{"pattern": "HT-[0-9]+-[0-9]+", "mask": "[contract]"}]
    done = redact(patterns=patterns, words=["示例公司"], words_file="names.txt", keep=["phone"])
    assert done.stdout == "合同 [contract]，联系[name] [name]，电话 13812345678\n"
    assert done.stderr == "masked: 2 [name], 1 [contract]\n"


def test_a_file_can_be_named(tmp_path):
    (tmp_path / "text").write_bytes(b"mail a@b.com \xff")
    assert redact("text").stdout == "mail [email] �"


def test_rules_for_apps_are_no_obstacle():
    """The sinks that they name are not looked at: this command needs none of their secrets."""
    assert redact(apps=[{"app": "x", "content": "none", "sinks": ["elsewhere"]}]).exit_code == 0


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"patterns": [{"pattern": "(?=a)", "mask": "[a]"}]},
            "redaction.patterns[0].pattern: no pattern: invalid perl",
        ),
        ({"patterns": [{"pattern": "a*", "mask": "[a]"}]}, "it fits an empty text"),
        ({"patterns": [{"pattern": "a", "mask": "***"}]}, "redaction.patterns[0].mask"),
        ({"words": ["x"]}, "redaction.words[0]: a word has 2 to 100 characters"),
        ({"words_file": "nowhere.txt"}, "redaction.words_file: the words can't be read: No such file"),
        ({"regions": ["CN", "XX"]}, "redaction.regions[1]: no region with telephone numbers (got 'XX')"),
        ({"keep": ["phones"]}, "redaction.keep[0]"),
    ],
)
def test_mistakes_are_told_in_their_place(section, said):
    done = redact(**section)
    assert done.exit_code == 2
    assert said in done.stderr
